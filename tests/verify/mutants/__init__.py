"""Right formulas, single edits that make them wrong, and rewritings that leave them right, each proved by numbers.

``formula``    formulas as trees of their own, their LaTeX, and their values by plain NumPy
``claims``     such formulas from the derivations of networks, with the document that states them
``edits``      what people get wrong, planted one place at a time
``rewritings`` what people write instead
``proof``      worlds of numbers in which a formula is right or wrong; nothing of ``symbackprop.verify`` is used
"""
