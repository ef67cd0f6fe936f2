"""Reading what people write by hand: documents, directives, macros, formulas of LaTeX, assignments of NumPy.

Gives claims as trees of ``expression`` nodes with their places; says nothing of right or wrong.
"""
