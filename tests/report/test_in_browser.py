"""The report in a real browser: it is whole, asks for nothing from outside, and fits a phone."""

import shutil

import pytest
from fake_label_run import CELLS
from made_study import make_study
from playwright.sync_api import sync_playwright

from medgraft.report import run_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [1100, 390])
def test_the_report_shows_all_and_asks_for_nothing(browser, make_run, tmp_path, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    report = run_report(make_run(tmp_path / "run"))
    page.goto(report.as_uri())
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    pictures = page.evaluate("[...document.images].map(image => [image.alt, image.naturalWidth])")
    assert pictures and all(alt and natural > 0 for alt, natural in pictures)
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "no sideways scrolling of the page"
    assert page.get_by_text("not a medical device").first.is_visible()
    page.get_by_text("Complete recipe").click()
    assert page.get_by_text("batch_size").first.is_visible()
    page.close()


@pytest.fixture(scope="module")
def label_report(make_label_run, tmp_path_factory):
    """A report with what is wide: a table of classes, a confusion matrix, small charts, long names."""
    names = [*CELLS[:2], "a class with a very long name"]
    return run_report(make_label_run(tmp_path_factory.mktemp("labels") / "run", names, count=40))


@pytest.mark.parametrize("width", [1100, 390])
def test_the_report_of_a_classification_fits_and_asks_for_nothing(browser, label_report, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(label_report.as_uri())
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == [] and said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # No letter of a chart lies outside its drawing, where it would be cut off.
    assert page.evaluate(OUTSIDE) == []
    columns = "getComputedStyle(document.querySelector('.small-charts')).gridTemplateColumns.split(' ').length"
    assert page.evaluate(columns) == (3 if width == 1100 else 1)
    page.close()


OUTSIDE = """[...document.querySelectorAll('.chart svg')].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1
      || box.bottom > frame.bottom + 1;
  }).map(text => text.textContent);
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_confusion_matrix_stays_readable(browser, label_report, scheme):
    page = browser.new_page(color_scheme=scheme)
    page.goto(label_report.as_uri())
    # The ground of the fullest cell, mixed as the browser does: half the series' colour on the cell's own.
    ink, ground, series, share = page.evaluate("""(() => {
      const cells = [...document.querySelectorAll('.confusion td.hit')];
      const share = cell => Number(cell.style.getPropertyValue('--share'));
      const cell = cells.reduce((a, b) => share(a) > share(b) ? a : b);
      const numbers = text => text.match(/[0-9.]+/g).map(Number).slice(0, 3);
      return [numbers(getComputedStyle(cell).color), numbers(getComputedStyle(cell).backgroundColor),
              numbers(getComputedStyle(cell, '::before').backgroundColor),
              Number(getComputedStyle(cell, '::before').opacity)];
    })()""")
    assert 0.2 < share <= 0.5
    mixed = [(1 - share) * g + share * s for g, s in zip(ground, series, strict=True)]
    assert _contrast(ink, mixed) >= 4.5
    page.close()


def test_light_and_dark_differ_and_text_stays_readable(browser, make_run, tmp_path):
    report = run_report(make_run(tmp_path / "run"))
    grounds = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(report.as_uri())
        rgb = page.evaluate(
            "['color', 'backgroundColor'].map("
            "  key => getComputedStyle(document.body)[key].match(/[0-9.]+/g).map(Number))"
        )
        grounds[scheme] = rgb[1][:3]
        assert _contrast(rgb[0], rgb[1]) >= 4.5, scheme
        page.close()
    assert sum(grounds["light"]) > sum(grounds["dark"])


def _contrast(first, second):
    """Contrast ratio of two sRGB colours (WCAG 2.1, relative luminance)."""

    def luminance(rgb):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb[:3])]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("width", [1100, 390])
def test_the_report_of_a_study_fits_and_asks_for_nothing(browser, tmp_path, width):
    study = make_study(
        tmp_path / "study", encoders=("resnet50", "tf_efficientnet_lite0"), waiting=["resnet50-WT-full-nall-s2"]
    )
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(study.report().as_uri())
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == [] and said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OUTSIDE) == []
    page.close()
