"""Fixtures of tests of evaluate."""

import evaluating
import pytest


@pytest.fixture
def pages():
    """Asked for by tests that look at pages."""


@pytest.fixture
def no_pages(request, monkeypatch):
    """Drawing charts takes most of the time, so it is done where a page (or the distance) is looked at alone."""
    if "pages" not in request.fixturenames:
        evaluating.without_pages(monkeypatch)
