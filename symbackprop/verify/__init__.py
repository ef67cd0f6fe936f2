"""Judging derivations that people wrote by hand, explaining what is wrong, and mending it."""
