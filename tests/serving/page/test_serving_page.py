"""What people do with the page: images in, outlines and probabilities out, sliders that answer without the server."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from tiny_models import array_of, file_of, picture

LABELS, MASKS, COLOURS = 0, 1, 2
REFUSED = ("415 (Unsupported Media Type)",)  # browsers say on the console that an answer was no success


def boxes():
    """Black, with a box of 100 / 255 = 0.39 from a quarter to three quarters, and in it one of 0.78."""
    pixels = np.zeros((64, 64), np.uint8)
    pixels[16:48, 16:48] = 100
    pixels[24:40, 24:40] = 200
    return pixels


def ink(overlay):
    """How many pixels are painted, and within which [left, top, right, bottom], in shares of the size."""
    rows, columns = np.nonzero(overlay[..., 3] > 127)
    if len(rows) == 0:
        return 0, []
    height, width = overlay.shape[:2]
    return len(rows), [columns.min() / width, rows.min() / height, columns.max() / width, rows.max() / height]


def at(overlay, x, y):
    """The pixel at a place in shares of the size."""
    height, width = overlay.shape[:2]
    return [int(value) for value in overlay[round(y * (height - 1)), round(x * (width - 1))]]


def png(pixels):
    return file_of(Image.fromarray(pixels))


def done(visit, count):
    """Wait until so many images have their answers."""
    expect(visit.page.locator("#list li[aria-busy=false]")).to_have_count(count, timeout=30_000)


@pytest.fixture
def outlined(serve, visit):
    """The page with the boxes on it."""
    opened = visit(serve(MASKS))
    opened.add(("boxes.png", png(boxes())))
    done(opened, 1)
    return opened


def test_the_outline_lies_where_the_structure_ends(outlined):
    overlay = outlined.overlay()
    # The model's threshold is 0.25, so the outer box is outlined; lines are a few pixels wide.
    assert ink(overlay)[1] == pytest.approx([0.25, 0.25, 0.75, 0.75], abs=0.02)
    assert at(overlay, 0.5, 0.5)[3] == 0 and at(overlay, 0.1, 0.1)[3] == 0
    edge = [at(overlay, 0.25 + step / 1000, 0.5) for step in range(-15, 15)]
    assert [255, 159, 28, 255] in edge, "the colour of the first structure"
    # 32 x 32 of 64 x 64 pixels, without the four corners: the model's 32 x 32 answers are interpolated there.
    expect(outlined.page.locator("#finding")).to_have_text("foreground: 24.9% of the image")
    expect(outlined.page.locator("#list .line")).to_have_text("foreground: 24.9% of the image")


def test_the_threshold_moves_the_outline_without_the_server(outlined):
    page, before, asked = outlined.page, outlined.overlay(), len(outlined.requests)
    page.locator("#threshold").fill("0.6")
    count, box = ink(outlined.overlay())
    assert 0 < count < 0.7 * ink(before)[0]
    assert box == pytest.approx([0.375, 0.375, 0.625, 0.625], abs=0.03)
    expect(page.locator("#threshold-value")).to_have_text("60%")
    expect(page.locator("#finding")).to_have_text("foreground: 6.3% of the image")
    page.locator("#threshold").fill("0.9")
    assert ink(outlined.overlay())[0] == 0
    expect(page.locator("#sure")).to_contain_text(
        "No place reaches the threshold of 90%; the highest probability is 78%"
    )
    page.get_by_text("Back to 25%").click()
    assert np.array_equal(outlined.overlay(), before)
    assert len(outlined.requests) == asked


def test_opacity_lets_the_image_through(outlined):
    page = outlined.page

    def reddest():
        shot = np.asarray(Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("RGB")).astype(int)
        return (shot[..., 0] - shot[..., 2]).max()

    page.locator("#opacity").fill("100")
    assert reddest() == pytest.approx(255 - 28, abs=4)
    page.locator("#opacity").fill("20")
    expect(page.locator("#opacity-value")).to_have_text("20%")
    assert reddest() == pytest.approx(0.2 * (255 - 28), abs=6)
    page.locator("#opacity").fill("0")
    assert reddest() == 0


def test_labels_follow_the_threshold(serve, visit):
    opened = visit(serve(LABELS))
    page = opened.page
    opened.add(("grey.png", picture(89)))  # 89 / 255 = 0.349
    done(opened, 1)
    expect(page.locator("#finding")).to_have_text("dark (65%)")
    expect(page.locator("#sure")).to_have_text("Probability of bright: 34.9%, below the threshold of 50%.")
    expect(page.locator("#bars")).to_contain_text("dark65.1%bright34.9%")
    expect(page.locator("#calibrated")).to_contain_text("no temperature was fitted")
    expect(page.locator("#familiar.usual")).to_contain_text("As near to the images that the model was trained on")
    asked = len(opened.requests)
    page.locator("#threshold").fill("0.3")
    expect(page.locator("#finding")).to_have_text("bright (35%)")
    expect(page.locator("#list .line")).to_have_text("bright (35%)")
    expect(page.locator("#sure")).to_contain_text("above the threshold of 30%. That is close")
    assert page.locator("#bars .given").inner_text().startswith("bright")
    assert len(opened.requests) == asked and page.locator("#opacity").is_disabled()


def test_an_image_unlike_the_training_images_is_said_to_be_so(serve, visit):
    opened = visit(serve(LABELS))
    opened.add(("white.png", picture(255)))  # the farthest of all held-out images
    done(opened, 1)
    expect(opened.page.locator("#familiar.unlike")).to_contain_text("do not rely on the answer")


def test_the_explanation_is_asked_for_when_it_is_wanted(serve, visit):
    opened = visit(serve(LABELS))
    page = opened.page
    pixels = np.full((64, 64), 130, np.uint8)
    pixels[:, 32:] = 255
    opened.add(("half.png", png(pixels)))
    done(opened, 1)
    assert len(opened.predictions) == 1 and ink(opened.overlay())[0] == 0
    page.get_by_label("Where did it look?").check()
    expect(page.locator("#heat-state")).to_contain_text("takes most from bright")
    expect(page.locator("#heat-legend")).to_be_visible()
    # What speaks for bright is the bright half.
    overlay = opened.overlay()
    assert at(overlay, 0.85, 0.5)[3] > 150 > at(overlay, 0.15, 0.5)[3]
    assert len(opened.predictions) == 2 and page.locator("#opacity").is_enabled()
    # Below a threshold beyond its probability the other class is given, which has a map of its own.
    page.locator("#threshold").fill("0.95")
    expect(page.locator("#heat-state")).to_contain_text("takes most from dark")
    page.locator("#threshold").fill("0.5")
    expect(page.locator("#heat-state")).to_contain_text("takes most from bright")
    assert len(opened.predictions) == 3, "maps are kept"
    page.get_by_label("Where did it look?").uncheck()
    assert ink(opened.overlay())[0] == 0


def test_a_bad_file_says_why_and_the_others_go_on(serve, visit):
    opened = visit(serve(MASKS), expected=REFUSED)
    page = opened.page
    opened.add(("first.png", png(boxes())), ("notes.zip", b"PK\3\4"), ("empty.png", b""), ("last.png", picture(200)))
    done(opened, 4)
    items = page.locator("#list li")
    expect(items.nth(1)).to_contain_text("it is a ZIP archive; unpack it and send the images in it")
    expect(items.nth(2)).to_contain_text("The file is empty")
    expect(items.nth(0)).to_contain_text("24.9% of the image")
    expect(items.nth(3)).to_contain_text("100.0% of the image")
    items.nth(1).click()
    expect(page.locator("#fault-text")).to_contain_text("ZIP archive")
    expect(page.locator("#answer")).to_be_hidden()
    expect(page.locator("#again")).to_be_hidden()
    items.nth(3).click()
    expect(page.locator("#fault")).to_be_hidden()
    expect(page.locator("#finding")).to_contain_text("100.0%")
    expect(page.locator("#said")).to_have_text("2 images are done. 2 could not be used.")


def test_many_images_at_once_each_get_their_own_answer(serve, visit):
    opened = visit(serve(LABELS))
    opened.add(*((f"{value}.png", picture(value)) for value in range(0, 120, 10)))
    done(opened, 12)
    lines = opened.page.locator("#list .line").all_inner_texts()
    assert lines == ["dark (>99%)", *(f"dark ({'%.0f' % (100 - value / 2.55)}%)" for value in range(10, 120, 10))]


def test_several_structures_are_outlined_in_their_colours(serve, visit):
    opened = visit(serve(COLOURS))
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[..., 0] = 100
    pixels[:, :16, 1] = 250  # green, from the left to a quarter
    pixels[:, 48:, 2] = 250  # blue, from three quarters to the right
    opened.add(("stripes.png", png(pixels)))
    done(opened, 1)
    bars = opened.page.locator("#bars li")
    expect(bars).to_have_text(["green25.0% of the image", "blue25.0% of the image"])
    swatches = [bar.evaluate("bar => getComputedStyle(bar.querySelector('.swatch')).backgroundColor")
                for bar in bars.all()]  # fmt: skip
    overlay = opened.overlay()
    edges = [[at(overlay, middle + step / 1000, 0.5) for step in range(-30, 30)] for middle in (0.25, 0.75)]
    for swatch, edge in zip(swatches, edges, strict=True):
        assert [*map(int, swatch.removeprefix("rgb(").removesuffix(")").split(",")), 255] in edge
    assert opened.page.locator("#threshold").is_disabled()
    expect(opened.page.locator("#threshold-hint")).to_contain_text("the most probable is given")


def test_another_model_answers_for_all_images(serve, visit):
    opened = visit(serve(LABELS, MASKS, COLOURS))
    page = opened.page
    opened.add(("grey.png", picture(102)), ("light.png", picture(204)))
    done(opened, 2)
    expect(page.locator("#list .line")).to_have_text(["dark (60%)", "bright (80%)"])
    page.get_by_label("Model").select_option("light")
    expect(page.locator("#list .line")).to_have_text(["foreground: 100.0% of the image"] * 2)
    page.get_by_label("Model").select_option("brightness")
    expect(page.locator("#list .line")).to_have_text(["dark (60%)", "bright (80%)"])
    assert len(opened.predictions) == 4, "answers are kept"
    page.get_by_text("About this model").click()
    expect(page.locator("#model-facts")).to_contain_text("CC0-1.0")


def test_the_preview_is_what_was_understood(outlined):
    shown = outlined.page.evaluate(
        """() => {
          const image = document.getElementById('picture');
          const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
          canvas.getContext('2d').drawImage(image, 0, 0);
          return [...canvas.getContext('2d').getImageData(32, 32, 1, 1).data, canvas.width, canvas.height];
        }"""
    )
    assert shown == [200, 200, 200, 255, 64, 64]
    assert outlined.page.locator("#picture").get_attribute("alt") == "boxes.png, as it was read"


def test_the_mask_is_made_at_the_images_own_size_and_the_threshold_shown(outlined, tiny_models):
    page = outlined.page

    def saved():
        with page.expect_download() as download:
            page.get_by_role("button", name="Download mask").click()
        assert download.value.suggested_filename == "boxes_mask.png"
        return array_of(download.value.path().read_bytes())

    def wanted(threshold):
        return tiny_models[MASKS].predict([boxes()], threshold)[0].prediction.mask

    assert np.array_equal(saved(), wanted(None)) and len(outlined.predictions) == 1
    page.locator("#threshold").fill("0.6")
    expect(page.locator("#mask-hint")).to_contain_text("at the threshold of 60%")
    assert np.array_equal(saved(), wanted(0.6)) and len(outlined.predictions) == 2
    assert not np.array_equal(wanted(None), wanted(0.6))


def test_several_labels_are_given_from_the_threshold_on(serve, visit):
    page = visit(serve(LABELS)).page
    said = page.evaluate(
        """async () => {
          const words = await import('/static/words.js');
          const model = { kind: 'multilabel', classes: ['a', 'b', 'c'] };
          const result = { probabilities: { a: 0.7, b: 0.42, c: 0.1 } };
          return [0.05, 0.42, 0.43, 0.8].map(threshold => [
            words.labelsOf(result, model, threshold).join('|'),
            words.finding(result, model, threshold, true),
            words.sureness(result, model, threshold).careful,
          ]);
        }"""
    )
    assert said == [
        ["a|b|c", "a, b, c", True],  # 0.1 is close to 0.05
        ["a|b", "a, b", True],
        ["a", "a (70%)", True],
        ["", "none of the classes", False],
    ]


def test_shares_are_never_rounded_to_none_or_all(serve, visit):
    page = visit(serve(LABELS)).page
    said = page.evaluate(
        """async () => {
          const { percent } = await import('/static/words.js');
          return [0, 0.004, 0.006, 0.5, 0.994, 0.996, 1].map(share => percent(share))
            .concat([0.0004, 0.0006, 0.9996].map(share => percent(share, 1)));
        }"""
    )
    assert said == ["0%", "<1%", "1%", "50%", "99%", ">99%", "100%", "<0.1%", "0.1%", ">99.9%"]
