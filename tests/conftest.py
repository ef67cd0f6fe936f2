"""Options of the test run."""

from __future__ import annotations

collect_ignore = ["data"]


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite committed output instead of comparing with it"
    )
