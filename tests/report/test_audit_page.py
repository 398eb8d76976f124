"""The page of an inspection: every finding with its picture and advice, one file, readable in a browser."""

from __future__ import annotations

import re
import shutil

import cv2
import numpy as np
import pytest
from page_reader import read
from playwright.sync_api import sync_playwright

from medgraft.audit.findings import Finding
from medgraft.pipeline.inspect import inspect
from medgraft.progress import Observer
from medgraft.report.audit_page import MOST_NAMES, _told
from medgraft.report.audit_pictures import EXAMPLES, Example

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def draw(path, seed, size=(40, 56)):
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(20, 230, (7, 7, 3)).astype(np.uint8)
    pixels = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """A table of 40 images with a copy across splits, a torn patient, a file cut short and names of many signs."""
    folder = tmp_path_factory.mktemp("set") / "spoiled"
    rows = ["file,label,patient,split"]
    for number in range(40):
        draw(folder / f"im{number:02d}.png", number)
        rows.append(f"im{number:02d}.png,{'ab'[number % 2]},p{number // 2},{'test' if number > 29 else 'train'}")
    draw(folder / "copy.png", 3)
    draw(folder / "<b>é&.png", 77)
    draw(folder / "torn.png", 78)
    (folder / "cut.png").write_bytes((folder / "im05.png").read_bytes()[:200])
    rows += ["copy.png,b,p99,test", "<b>é&.png,a,p98,train", "torn.png,a,p0,test", "cut.png,a,p97,train"]
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return inspect(folder / "labels.csv", out=folder / "inspect", observer=Observer())


@pytest.fixture(scope="module")
def page(spoiled):
    return read(spoiled.page)


def test_every_finding_is_told_with_its_advice(spoiled, page):
    assert {finding.kind for finding in spoiled.audit.findings} >= {
        "unreadable-files", "copies-across-splits", "groups-across-splits", "exact-duplicates",
    }  # fmt: skip
    for finding in spoiled.audit.findings:
        assert " ".join(finding.sentence.split()) in page.text and " ".join(finding.advice.split()) in page.text
        assert finding.topic in page.ids
    for sentence in spoiled.audit.passed:
        assert sentence in page.text
    assert "3 errors" in page.text and "Research use only" in page.text


def test_anchors_lead_somewhere(page):
    links = [link["href"] for link in page.all("a")]
    assert links and all(link.startswith("#") and link[1:] in page.ids for link in links)


def test_pairs_stand_side_by_side_with_what_is_known_of_them(page):
    assert re.search(r"im03 · b · group p1 · train\s+copy · b · group p99 · test", page.text)


def test_names_are_escaped(page):
    assert "<b>é&" not in page.source.replace("&lt;b&gt;é&amp;", "")
    assert "&lt;b&gt;é&amp;" in page.source


def test_the_contact_sheet_has_every_class_in_every_split(page):
    for title in ("a · train", "a · test", "b · train", "b · test"):
        assert title in page.text
    assert len(page.all("img")) >= 40


def test_charts_have_words(page):
    assert any("Images of each class: a 23, b 21" in words for words in page.charts), page.charts
    assert any("groups with 1 to 3 images each" in words for words in page.charts)


def test_the_sheet_is_the_same_every_time(spoiled, tmp_path):
    again = inspect(spoiled.audit.summary["root"], out=tmp_path / "again", observer=Observer())
    assert again.page.read_bytes() == spoiled.page.read_bytes()


def test_masks_are_outlined(ellipses, tmp_path):
    found = inspect(ellipses, out=tmp_path / "inspect", observer=Observer())
    page = read(found.page)
    assert all("its mask outlined" in image["alt"] for image in page.all("img"))
    assert any("The masks cover" in words for words in page.charts)


def test_long_lists_are_cut():
    names = tuple(f"{number}.png" for number in range(MOST_NAMES + 7))
    told = _told(Finding("kind", "note", "files", 1, "a sentence", "advice", images=names), Example())
    assert len(told.names) == MOST_NAMES and told.more == 7 and EXAMPLES < MOST_NAMES


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_in_a_browser(spoiled, width, scheme):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(spoiled.page.as_uri())
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == [] and said == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "no sideways scrolling of the page"
        widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
        assert widths and min(widths) > 0
        # A few names stand open where there is no picture, and are folded away beside pictures.
        assert page.get_by_text("cut.png", exact=False).first.is_visible()
        copies = page.locator("#leakage details").first
        assert not copies.locator("code").first.is_visible()
        copies.get_by_text("by name").click()
        assert copies.locator("code").first.is_visible()
        browser.close()
