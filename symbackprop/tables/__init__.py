"""What we know, as rows: a new activation, loss or axis function is one row in one place."""
