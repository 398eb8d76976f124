"""What the page looks like: on a phone, in the light and the dark, for eyes that want contrast and calm."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect
from skimage.measure import find_contours
from tiny_models import picture

LABELS, MASKS, COLOURS = 0, 1, 2

CONTRASTS = """() => {
  const numbers = text => text.match(/[0-9.]+/g).map(Number);
  const linear = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = rgb => [0.2126, 0.7152, 0.0722].reduce((sum, part, at) => sum + part * linear(rgb[at] / 255), 0);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const written = [...document.querySelectorAll('body *')].filter(element => element.checkVisibility()
    && !element.closest('.unseen') && !element.disabled && !element.closest('option')
    && [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()));
  return written.map(element => {
    const style = getComputedStyle(element);
    const [dark, light] = [luminance(numbers(style.color)), luminance(ground(element))].sort((a, b) => a - b);
    return [`${element.id || element.className || element.tagName}: ${element.textContent.trim().slice(0, 30)}`,
            (light + 0.05) / (dark + 0.05)];
  });
}"""


@pytest.fixture
def filled(serve, visit):
    """A page with one of everything: an image unlike the others, a file that is not read, a close answer."""

    def open_page(**options):
        opened = visit(serve(LABELS, MASKS, COLOURS), expected=("415",), **options)
        long = "a_very_long_name_without_any_place_where_it_could_be_broken_into_lines_0123456789.dcm"
        opened.add(("white.png", picture(255)), (long, b"PK\3\4"), ("grey.png", picture(120)))
        expect(opened.page.locator("#list li[aria-busy=false]")).to_have_count(3)
        return opened

    return open_page


def show(page, index):
    """Show an image of the list, and then what is said of the model, over the page."""
    page.keyboard.press("Escape")
    expect(page.locator("#model-facts")).to_be_hidden()
    page.locator("#list li").nth(index).click()
    page.get_by_text("About this model").click()
    expect(page.locator("#model-facts")).to_be_visible()


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_scrolls_sideways(filled, width):
    opened = filled(viewport={"width": width, "height": 740})
    page = opened.page
    for model in ("brightness", "light", "colours"):
        page.get_by_label("Model").select_option(model)
        expect(page.locator("#list li[aria-busy=false]")).to_have_count(3)
        for index in range(3):
            show(page, index)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width, (model, index)
            beyond = page.evaluate(
                """() => [...document.querySelectorAll('main *')].filter(it => it.checkVisibility()
                  && it.getBoundingClientRect().right > innerWidth + 0.5).map(it => it.id)"""
            )
            assert beyond == []


def test_the_notice_is_always_in_sight(filled):
    page = filled(viewport={"width": 360, "height": 640}).page
    notice = page.get_by_text("Research use only. Not a medical device.")
    for place in ("0", "400", "document.documentElement.scrollHeight"):
        page.evaluate(f"() => scrollTo(0, {place})")
        box = notice.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 640 and box["x"] >= 0 and box["x"] + box["width"] <= 360


def test_on_a_phone_an_image_that_is_chosen_comes_into_sight(filled):
    page = filled(viewport={"width": 360, "height": 640}).page
    page.locator("#list li").nth(2).click()
    expect(page.locator("#name")).to_have_text("grey.png")
    expect(page.locator("#picture")).to_be_in_viewport(ratio=0.9)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(filled, scheme):
    page = filled(color_scheme=scheme).page
    grounds = page.evaluate("() => getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert (sum(grounds) > 3 * 128) == (scheme == "light")
    for index in range(3):
        show(page, index)
        found = page.evaluate(CONTRASTS)
        assert len(found) > 20 and [each for each in found if each[1] < 4.5] == []


def test_controls_are_large_enough_for_a_finger_and_have_names(filled):
    page = filled(viewport={"width": 360, "height": 740}).page
    found = page.evaluate(
        """() => [...document.querySelectorAll('button, select, input:not([type=file]), summary, [role=option]')]
          .filter(it => it.checkVisibility())
          .map(it => [it.id || it.textContent, (it.closest('label') ?? it).getBoundingClientRect().height])"""
    )
    assert len(found) >= 9
    assert [each for each in found if each[1] < 24] == [], "WCAG 2.2, 2.5.8"
    for name in ("Threshold", "Overlay opacity"):
        expect(page.get_by_role("slider", name=name)).to_be_visible()
    expect(page.get_by_role("checkbox", name="Where did it look?")).to_be_visible()
    expect(page.get_by_role("listbox", name="Images").get_by_role("option")).to_have_count(3)


def test_nothing_moves_for_those_who_do_not_want_it(filled):
    page = filled(reduced_motion="reduce").page
    moving = "() => [...document.querySelectorAll('*')].filter(it => getComputedStyle(it).transitionDuration !== '0s'"
    assert page.evaluate(moving + " || getComputedStyle(it).animationName !== 'none').length") == 0


def test_outlines_are_those_of_an_independent_library(serve, visit):
    rng = np.random.default_rng(0)
    field = np.zeros((24, 30), np.uint8)
    field[2:-2, 2:-2] = rng.integers(0, 256, (20, 26))
    page = visit(serve(LABELS)).page
    segments = page.evaluate(
        "async ([values, width, height, level]) => "
        "(await import('/static/outline.js')).outline(Uint8Array.from(values), width, height, level)",
        [field.ravel().tolist(), 30, 24, 100.5],
    )
    ends = np.array(segments).reshape(-1, 2, 2)
    # The library counts from the middle of the first pixel, row before column.
    contours = [contour[:, ::-1] + 0.5 for contour in find_contours(field.astype(float), 100.5)]
    points = np.unique(np.round(np.concatenate(contours), 6), axis=0)
    assert np.allclose(np.unique(np.round(ends.reshape(-1, 2), 6), axis=0), points)
    # Each contour is closed, so it has a segment for each of its points but the one that comes twice.
    assert len(ends) == sum(len(contour) - 1 for contour in contours)
    # Both ends of a segment meet another one.
    _, met = np.unique(np.round(ends.reshape(-1, 2), 6), axis=0, return_counts=True)
    assert (met % 2 == 0).all()


def test_an_outline_closes_at_the_border(serve, visit):
    page = visit(serve(LABELS)).page
    segments = page.evaluate(
        "async () => (await import('/static/outline.js')).outline(new Uint8Array([9, 9, 9, 9, 9, 9]), 3, 2, 5)"
    )
    ends = np.array(segments).reshape(-1, 2)
    assert ends.min(0).tolist() == [0, 0] and ends.max(0).tolist() == [3, 2]
