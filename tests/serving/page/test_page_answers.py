"""Real scans on the page, and models whose classes have names that a browser or a spreadsheet could misread."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from playwright.sync_api import expect
from pydicom.data import get_testdata_file
from tiny_models import colours_file, file_of, findings_file, labels_file, picture

from medgraft.serving.model import ServedModel

LABELS, NUMBERED, FINDINGS = 0, 1, 2
NAMES = ("=1+1", "<img src=x onerror=alert(1)>", "effusion; pleural")

DROP = """files => {
  const transfer = new DataTransfer();
  for (const [name, value] of files) {
    const bytes = Uint8Array.from(atob(value), sign => sign.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""

SHOWN = """async () => {
  const image = document.getElementById('picture');
  await image.decode();
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  canvas.getContext('2d').drawImage(image, 0, 0);
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return [width, height, [...data.filter((_, at) => at % 4 === 0)]];
}"""


@pytest.fixture(scope="module")
def tiny_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    files = [
        labels_file(folder / "labels.onnx"),
        colours_file(folder / "numbered.onnx", "numbered", ("background", "10", "2")),
        findings_file(folder / "findings.onnx", NAMES),
    ]
    return [ServedModel.load(file, threads=1) for file in files]


def drop(visit, *files):
    visit.page.evaluate(DROP, [[name, base64.b64encode(content).decode()] for name, content in files])
    expect(visit.page.locator("#list li[aria-busy=false]")).to_have_count(len(files))


@pytest.mark.parametrize("scan", ["CT_small.dcm", "MR_small_jp2klossless.dcm"])
def test_a_real_scan_is_dropped_and_seen(serve, visit, scan):
    """Under a name that says nothing, as scanners give it; compared with what pydicom reads."""
    file = Path(get_testdata_file(scan))
    stored = pydicom.dcmread(file).pixel_array.astype(float)
    opened = visit(serve(LABELS))
    drop(opened, ("IM0001", file.read_bytes()))
    height, width = stored.shape
    expect(opened.page.locator("#caption")).to_have_text(f"{width} x {height} pixels")
    columns, rows, levels = opened.page.evaluate(SHOWN)
    assert (rows, columns) == stored.shape
    seen = np.array(levels, float).reshape(stored.shape)
    assert seen.max() - seen.min() > 200, "the contrast of the scan is used"
    inside = (seen > 0) & (seen < 255)
    assert np.corrcoef(seen[inside], stored[inside])[0, 1] > 0.99


def test_outlines_and_legend_agree_where_classes_are_numbers(serve, visit):
    """JavaScript puts names that are whole numbers first, in their own order."""
    opened = visit(serve(NUMBERED))
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[..., 0] = 100
    pixels[:, :16, 1] = 250  # "10", from the left to a quarter
    pixels[:, 32:, 2] = 250  # "2", the right half
    drop(opened, ("stripes.png", file_of(Image.fromarray(pixels))))
    bars = opened.page.locator("#bars li")
    expect(bars).to_have_text(["1025.0% of the image", "250.0% of the image"])
    overlay = opened.overlay()
    middle = overlay[overlay.shape[0] // 2]
    for bar, place in zip(bars.all(), (0.25, 0.5), strict=True):
        colour = bar.evaluate("bar => getComputedStyle(bar.querySelector('.swatch')).backgroundColor")
        wanted = [*map(int, colour.removeprefix("rgb(").removesuffix(")").split(",")), 255]
        around = middle[int((place - 0.03) * len(middle)) : int((place + 0.03) * len(middle))]
        assert wanted in around.tolist()


def test_several_labels_on_the_page_and_in_the_table(serve, visit):
    opened = visit(serve(FINDINGS))
    page = opened.page
    drop(opened, ("a;=2+2.png", picture((204, 90, 51))))
    expect(page.locator("#finding")).to_have_text(f"{NAMES[0]}, {NAMES[1]}")
    expect(page.locator("#bars .given")).to_have_count(2)
    expect(page.locator("#sure")).to_contain_text(f"Nearest to the threshold is {NAMES[1]}: 35.3%, above")
    page.locator("#threshold").fill("0.15")
    expect(page.locator("#bars .given")).to_have_count(3)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    assert text.splitlines()[1].startswith('"a;=2+2.png",'), "a spreadsheet may part at semicolons"
    row = pd.read_csv(io.StringIO(text)).iloc[0]
    assert row["label"] == "'" + "|".join(NAMES)
    assert [round(row[f"p_{name}"], 2) for name in NAMES] == [0.8, 0.35, 0.2]


def test_the_list_says_which_images_are_unlike_the_training_images(serve, visit):
    """Whoever reads the list alone would take its answers for as good as the others."""
    opened = visit(serve(LABELS))
    drop(opened, ("white.png", picture(255)), ("grey.png", picture(204)))
    lines = opened.page.locator("#list .line")
    expect(lines).to_have_text(["bright (>99%) \u00b7 unlike the training images", "bright (80%)"])
    expect(opened.page.locator("#said")).to_have_text("2 images are done. 1 of them unlike the training images.")


def test_the_keys_of_every_keyboard_take_an_image_off_the_list(serve, visit):
    """The key that a Mac calls delete is Backspace; Alt and an arrow are the browser's."""
    opened = visit(serve(LABELS))
    drop(opened, ("one.png", picture(51)), ("two.png", picture(102)))
    options = opened.page.locator("#list li")
    options.first.focus()
    opened.page.keyboard.press("Alt+ArrowDown")
    expect(opened.page.locator("#name")).to_have_text("one.png")
    opened.page.keyboard.press("Backspace")
    expect(options).to_have_count(1)
    expect(opened.page.locator("#name")).to_have_text("two.png")


def test_no_probability_is_called_certain(serve, visit):
    """A probability that the server has rounded to 0 or 1 is still none of them."""
    page = visit(serve(LABELS)).page
    said = page.evaluate(
        """async () => {
          const words = await import('/static/words.js');
          const [p, model] = [{ a: 0, b: 1 }, { kind: 'binary', classes: ['a', 'b'] }];
          const best = { kind: 'multiclass', classes: ['a', 'b'] };
          const result = { probabilities: p };
          return [words.finding(result, model, 0.5, false), words.sureness(result, model, 0.5).text,
                  words.sureness(result, best, 0.5).text, words.chance(0), words.chance(0.5, 1)];
        }"""
    )
    assert said == [
        "b (>99%)",
        "Probability of b: >99.9%, above the threshold of 50%.",
        "The most probable class: b with >99.9%; the next is a with <0.1%.",
        "<1%",
        "50.0%",
    ]
