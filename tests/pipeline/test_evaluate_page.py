"""The page of an evaluation in a real browser: whole, without a word to the outside, on a phone too, light and dark."""

import shutil

import evaluating
import pytest
from evaluating import LABELS, evaluated, trained
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    """The page of an evaluation with subgroups that have long names."""
    place = tmp_path_factory.mktemp("page")
    table = evaluating.table_of(evaluating.draw_shapes(place / "shapes", 16, 3, noise=70))
    table.write_text(table.read_text().replace(",F,", ",a device with a very long name,"))
    run = trained(table, place / "run", ratios=(0.4, 0.3, 0.3), **LABELS)
    return evaluated(run, by=("sex", "age"), threshold="youden")[0].report


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (390, "dark")])
def test_it_shows_all_and_asks_for_nothing(page_of, width, scheme):
    asked, said = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(page_of.as_uri())
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == [] and said == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "no sideways scrolling of the page"
        titles = page.locator("h2").all_inner_texts()
        assert (
            titles[:2] == ["Scores", "Do probabilities mean what they say?"]
            and "By sex" in titles
            and "By age" in titles
        )
        assert (
            page.get_by_text("in use", exact=True).is_visible()
            and page.get_by_text("not a medical device").first.is_visible()
        )
        charts = page.evaluate("[...document.querySelectorAll('.chart [role=img]')].map(each => each.ariaLabel)")
        assert sum(each.startswith("Reliability diagram") for each in charts) == 2 and all(charts)
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert dark == ("rgb(14, 20, 25)" if scheme == "dark" else "rgb(244, 246, 248)")
        browser.close()
