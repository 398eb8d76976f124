"""Runs that were never trained, and what spares tests the drawing of charts, which takes most of their time."""

from pathlib import Path

import evaluating
import pytest
from predicting import label_run, mask_run

from medgraft.pipeline import crossval, one_run


@pytest.fixture(scope="module")
def masker(tmp_path_factory):
    return mask_run(tmp_path_factory.mktemp("runs") / "masker")


@pytest.fixture(scope="module")
def labeller(tmp_path_factory):
    return label_run(tmp_path_factory.mktemp("runs") / "labeller")


@pytest.fixture(scope="module")
def no_reports():
    """Runs of a module that looks at no page are left without charts."""

    def write(folder, withheld=()):
        page = Path(folder) / "report.html"
        page.write_text("<!doctype html><title>none is drawn in this test</title>")
        return page

    patch = pytest.MonkeyPatch()
    for place in (one_run, crossval):
        patch.setattr(place, "run_report", write)
    yield
    patch.undo()


@pytest.fixture
def pages():
    """Asked for by tests that look at pages."""


@pytest.fixture
def no_pages(request, monkeypatch):
    """Pages of evaluations are drawn where one (or the distance) is looked at alone."""
    if "pages" not in request.fixturenames:
        evaluating.without_pages(monkeypatch)
