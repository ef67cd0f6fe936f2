"""Printers: each turns equations, nodes or documents into text for one target."""
