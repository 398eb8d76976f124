"""The page on feature reuse, from findings made by hand: the answer first, all of it there, nothing from outside."""

import json
import math
import shutil

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from medgraft.errors import RunError
from medgraft.report.reuse_filters import filter_pictures
from medgraft.report.reuse_page import _facts, _row, read_reuse, reuse_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
BLOCKS = ["stem", "<b>blocks.0</b>", "a_block_with_a_very_long_name"]
VERDICTS = ["reused", "relearned", "unused"]


def span(value, half=0.02):
    low, high = (None, None) if half is None else (value - half, value + half)
    return {"value": value, "low": low, "high": high, "n": 40, "level": 0.95}


def findings(pretrained=3, **changed):
    moved = {"count": 10, "moved": 1.0, "start": 4.0, "rms": 0.3, "relative": 0.25}
    nothing = {"count": 0, "moved": 0.0, "start": 0.0, "rms": 0.0, "relative": None}
    models = ["before training", "after training"]
    values = [[1.0, 0.5, None], [0.4, -0.01, None], [None, None, None]]
    pairs = [{"first": a, "second": b, "values": values} for a, b in ((0, 0), (0, 1), (1, 1))]
    pairs = [pair | {key: models[pair[key]] for key in ("first", "second")} for pair in pairs]
    return {
        "kind": "reuse", "run": "xrays<1>", "data": "xrays", "encoder": "net", "strategy": "full", "start": "ImageNet",
        "pretrained": pretrained, "task": "classification", "synthetic": False, "split": "val", "scored": 40,
        "grouped": True, "cautions": ["Mind the gap."], "blocks": BLOCKS, "models": models,
        "answer": "Block 1 is reused; block 2 is relearned.", "reasons": ["Block 1: for a reason."],
        "reading": [
            {"number": n, "block": b, "verdict": v, "cka": 0.9}
            for n, (b, v) in enumerate(zip(BLOCKS, VERDICTS, strict=True), start=1)
        ],
        "similarity": {
            "images": 80, "batches": 2, "blocks": dict.fromkeys(models, BLOCKS), "cka": pairs, "svcca": pairs,
            "kept": [{"block": b, "value": v, "interval": i}
                     for b, v, i in zip(BLOCKS, (1.0, 0.5, None), ((0.9, 1.0), None, None), strict=True)],
        },
        "movement": [{"block": b, "fixed": False, "weights": w, "norms": nothing, "statistics": nothing}
                     for b, w in zip(BLOCKS, (moved, moved, nothing), strict=True)],
        "neighbours": [{"block": b, "known": 100, "k": 10, "before": x, "after": x, "gained": x}
                       for b, x in zip(BLOCKS, (span(0.7), span(0.8, None), None), strict=True)],
        "robustness": {
            "metric": "auc", "title": "AUC", "score": span(0.9), "put_back": [span(0.0), span(0.2), span(0.01, None)],
            "redrawn": [span(0.3)] * 3, "together": None,
        },
    } | changed  # fmt: skip


@pytest.mark.parametrize(
    ("pretrained", "said", "tiles"),
    [
        (3, ["reused", "relearned"], [("Reused", "1", "of 3 blocks, fixed ones included"), ("Relearned", "1")]),
        # Of WT-ST-1 and slim-1 the first block alone can be reused; the second had to learn from random values.
        (1, ["reused", "had to learn"], [("Reused", "1", "of 1 pretrained block, fixed"), ("Had to learn", "1")]),
        (0, ["no need to learn", "had to learn"], [("No need to learn", "1", "of 3 blocks"), ("Had to learn", "1")]),
    ],
)
def test_only_blocks_that_began_pretrained_are_called_reused(pretrained, said, tiles):
    found = findings(pretrained)
    assert [_row(found, place)["said"] for place in (0, 1)] == said
    for tile, wanted in zip(_facts(found)[1:3], tiles, strict=True):
        assert all(part.startswith(start) for part, start in zip(tile, wanted, strict=False))


def filled(folder):
    """The folder, with what the command writes."""
    (folder / "reuse.json").write_text(json.dumps(findings()), encoding="utf-8")
    rng = np.random.default_rng(0)
    before, after = rng.standard_normal((2, 9, 3, 5, 5))
    np.savez(folder / "filters.npz", before=before, after=after)
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page, written once; not to be changed."""
    return reuse_report(filled(tmp_path_factory.mktemp("reuse")))


def test_the_answer_comes_first_and_values_are_escaped(report):
    page = report.read_text(encoding="utf-8")
    assert "<b>blocks.0</b>" not in page and "xrays&lt;1&gt;" in page
    order = [page.index(text) for text in ("Block 1 is reused", "Mind the gap", "for a reason", "Block by block")]
    assert order == sorted(order)
    assert "hardly matters" in page and "SVCCA" in page and "no interval" in page
    assert {path.stem for path in (report.parent / "figures").iterdir()} >= {
        "loss",
        "movement",
        "neighbours",
        "cka-3",
        "svcca-1",
    }


def test_a_run_from_random_weights_is_told_in_other_words(tmp_path):
    folder = filled(tmp_path)
    plain = findings(
        False, neighbours=[{"block": b, "known": 0, "k": 0, "after": None, "before": None} for b in BLOCKS]
    )
    plain["similarity"]["svcca"] = plain["robustness"]["redrawn"] = None
    (folder / "reuse.json").write_text(json.dumps(plain), encoding="utf-8")
    (folder / "filters.npz").unlink()
    page = reuse_report(folder).read_text(encoding="utf-8")
    assert "no need to learn" in page and "had to learn" in page
    assert not any(text in page for text in ("SVCCA", "neighbours tell", "Filters of", "Lost, drawn anew"))


def test_filters_keep_their_contrast_before_and_after(tmp_path):
    """A filter of one bright cell that fell to half: white, then three quarters bright, and the change is black."""
    before = np.zeros((1, 1, 2, 2), np.float32)
    before[0, 0, 0, 0] = 8
    np.savez(tmp_path / "filters.npz", before=before, after=before / 2)
    cells = [pixels[10, 10, 0] for _, pixels, _ in filter_pictures(tmp_path / "filters.npz")]
    assert cells == [255, math.floor(127.5 * 1.5 + 0.5), 0]
    assert list(filter_pictures(tmp_path / "nothing.npz")) == []


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(RunError, match="no reuse analysis"):
        reuse_report(tmp_path)
    (tmp_path / "reuse.json").write_text("[]", encoding="utf-8")
    assert read_reuse(tmp_path) is None


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser_it_fits_and_asks_for_nothing(report):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for width, scheme in ((1100, "light"), (390, "dark")):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            asked, said = [], []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda message, said=said: said.append(message.text))
            page.goto(report.as_uri())
            assert [url for url in asked if not url.startswith(("file:", "data:"))] == [] and said == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("[...document.images].every(image => image.alt && image.naturalWidth > 0)")
            assert page.get_by_text("Block 1 is reused; block 2 is relearned.").is_visible()
        browser.close()
