"""What our own pages say of their formulas: all are right, but for slips that a page expects to be wrong."""


def not_as_meant(claims):
    """Claims whose verdict is not what the page says of them."""
    meant = (("wrong" if each.entry.directives.expect_wrong else "right", each) for each in claims)
    return [each for verdict, each in meant if each.verdict.verdict != verdict]
