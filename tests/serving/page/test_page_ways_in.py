"""How images and people come in: dropped, pasted, by keyboard, with a token, to a server that is full or gone."""

from __future__ import annotations

import base64
import io
import re

import pandas as pd
import pytest
from playwright.sync_api import expect
from tiny_models import picture

LABELS, MASKS = 0, 1
TOKEN = "correct horse battery"

HAND_OVER = """([kind, place, value]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(value), sign => sign.charCodeAt(0));
  for (const name of ['image.png', 'two.png']) transfer.items.add(new File([bytes], name, { type: 'image/png' }));
  const event = kind === 'paste'
    ? new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.querySelector(place).dispatchEvent(event);
  return event.defaultPrevented;
}"""


def hand_over(visit, kind, place="body"):
    return visit.page.evaluate(HAND_OVER, [kind, place, base64.b64encode(picture(102)).decode()])


def lines(visit):
    return visit.page.locator("#list .line")


def test_files_are_dropped_anywhere(serve, visit):
    opened = visit(serve(LABELS))
    shade = opened.page.locator("#drop")
    expect(shade).to_be_hidden()
    hand_over(opened, "dragenter", "footer")
    expect(shade).to_be_visible()
    hand_over(opened, "dragleave", "footer")
    expect(shade).to_be_hidden()
    hand_over(opened, "dragenter", "footer")
    assert hand_over(opened, "dragover", "footer"), "else the browser would not let go of them here"
    assert hand_over(opened, "drop", "footer"), "else the browser would open the file instead of the page"
    expect(shade).to_be_hidden()
    expect(lines(opened)).to_have_text(["dark (60%)", "dark (60%)"])
    expect(opened.page.locator("#list .name")).to_have_text(["image.png", "two.png"])


def test_images_are_pasted(serve, visit):
    opened = visit(serve(LABELS))
    hand_over(opened, "paste")
    expect(lines(opened)).to_have_text(["dark (60%)", "dark (60%)"])
    expect(opened.page.locator("#list .name")).to_have_text(["pasted 1.png", "two.png"])


def test_everything_is_done_by_keyboard(serve, visit):
    opened = visit(serve(LABELS))
    page, keyboard = opened.page, opened.page.keyboard
    focused = page.locator(":focus")
    # The browser is told to hand over file choosers before the key is pressed, which comes at once.
    page.on("filechooser", lambda chooser: None)

    def tab_to(name, most=12):
        for _ in range(most):
            keyboard.press("Tab")
            if focused.get_attribute("id") == name or focused.evaluate("it => it.parentElement.id") == name:
                style = focused.evaluate("it => [getComputedStyle(it).outlineStyle, getComputedStyle(it).outlineWidth]")
                assert style == ["solid", "3px"], "the focus is seen"
                return
        raise AssertionError(f"Tab does not lead to {name}")

    tab_to("choose")
    with page.expect_file_chooser() as chooser:
        keyboard.press("Enter")
    payloads = [{"name": f"{value}.png", "mimeType": "", "buffer": picture(value)} for value in (51, 102, 204)]
    chooser.value.set_files(payloads)
    expect(lines(opened)).to_have_text(["dark (80%)", "dark (60%)", "bright (80%)"])
    tab_to("list")
    for key, name in (("ArrowDown", "102"), ("End", "204"), ("ArrowDown", "204"), ("ArrowUp", "102"), ("Home", "51")):
        keyboard.press(key)
        expect(focused).to_have_attribute("aria-selected", "true")
        expect(page.locator("#name")).to_have_text(f"{name}.png")
    keyboard.press("Delete")
    expect(lines(opened)).to_have_text(["dark (60%)", "bright (80%)"])
    expect(focused).to_contain_text("102.png")
    tab_to("threshold")
    for _ in range(11):
        keyboard.press("ArrowLeft")
    expect(page.locator("#threshold-value")).to_have_text("39%")
    expect(page.locator("#finding")).to_have_text("bright (40%)")
    keyboard.press("Shift+ArrowRight")
    expect(page.locator("#threshold-value")).to_have_text("39.1%")
    tab_to("heat")
    keyboard.press("Space")
    expect(page.locator("#heat-state")).to_contain_text("takes most from bright")
    tab_to("opacity")
    keyboard.press("ArrowLeft")
    expect(page.locator("#opacity-value")).to_have_text("84%")
    tab_to("remove")
    keyboard.press("Enter")
    expect(focused).to_contain_text("204.png")
    keyboard.press("Delete")
    expect(focused).to_have_attribute("id", "choose")
    expect(page.get_by_text("Drop images here")).to_be_visible()


def test_results_and_faults_are_said_aloud(serve, visit):
    opened = visit(serve(LABELS), expected=("415",))
    opened.add(("grey.png", picture(102)))
    expect(opened.page.locator("[aria-live=polite]#said")).to_have_text("grey.png: dark (60%).")
    opened.add(("notes.txt", b"<p>notes"))
    expect(opened.page.locator("[role=alert]#alarm")).to_contain_text("notes.txt: This file is not read")


def test_the_table_holds_all_results(serve, visit, tmp_path):
    opened = visit(serve(LABELS, MASKS), expected=("415",))
    page = opened.page
    opened.add(('a "b", c.png', picture(102)), ("=1+1.png", picture(204)), ("notes.txt", b"<p>notes"))
    expect(page.locator("#list li[aria-busy=false]")).to_have_count(3)
    page.locator("#threshold").fill("0.39")
    page.get_by_label("Model").select_option("light")
    expect(lines(opened).first).to_have_text("foreground: 100.0% of the image")
    expect(page.locator("#list li[aria-busy=false]")).to_have_count(3)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    content = download.value.path().read_bytes()
    assert content.startswith(b"\xef\xbb\xbfimage,model,width,height,threshold,label,") and content.endswith(b"\r\n")
    table = pd.read_csv(io.BytesIO(content))
    assert list(table.columns[6:]) == ["p_dark", "p_bright", "area_foreground", "familiarity", "error"]
    assert list(table["image"]) == ['a "b", c.png'] * 2 + ["'=1+1.png"] * 2 + ["notes.txt"] * 2
    assert list(table["model"]) == ["brightness", "light"] * 3
    first, second, third, *_ = table.to_dict("records")
    assert (first["threshold"], first["label"], first["p_dark"], first["p_bright"]) == (0.39, "bright", 0.6, 0.4)
    assert (first["width"], first["height"], first["familiarity"]) == (60, 40, 0.4)
    assert (second["threshold"], second["area_foreground"]) == (0.25, 1) and pd.isna(second["label"])
    assert third["label"] == "bright" and third["p_bright"] == 0.8
    assert table["error"].str.contains("not read").tolist()[4:] == [True, True] and table["error"].isna().sum() == 4


def test_a_name_is_shown_and_never_run(serve, visit):
    opened = visit(serve(LABELS))
    name = "<img src=x onerror=window.violations.push(name)>.png"
    opened.add((name, picture(102)))
    expect(opened.page.locator("#name")).to_have_text(name)
    expect(lines(opened)).to_have_text("dark (60%)")


def test_the_token_is_asked_for_and_kept_nowhere(serve, visit):
    opened = visit(serve(LABELS, token=TOKEN), wait=False, expected=("401",))
    page = opened.page
    door = page.get_by_role("dialog")
    door.get_by_label("Token").fill("a wrong one, long enough")
    door.get_by_role("button", name="Go on").click()
    expect(door.get_by_role("alert")).to_have_text("The server does not take this token.")
    door.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(door).to_be_hidden()
    expect(page.locator("#choose")).to_be_enabled()
    opened.add(("grey.png", picture(102)))
    expect(lines(opened)).to_have_text("dark (60%)")
    assert opened.predictions[0].headers["authorization"] == f"Bearer {TOKEN}"
    kept = page.evaluate("() => [document.cookie, localStorage.length, sessionStorage.length, location.href]")
    assert kept == ["", 0, 0, opened.address + "/"]


def test_a_token_that_is_wanted_later_holds_up_nothing_but_the_sending(serve, visit):
    opened = visit(serve(LABELS), expected=("401",))
    page = opened.page
    page.route("**/v1/predict", lambda route: route.fulfill(status=401, json={"error": "The token is missing."}))
    opened.add(*((f"{index}.png", picture(102)) for index in range(5)))
    door = page.get_by_role("dialog")
    door.get_by_label("Token").fill(TOKEN)
    page.unroute("**/v1/predict")
    page.keyboard.press("Enter")
    expect(lines(opened)).to_have_text(["dark (60%)"] * 5)


def test_a_busy_server_is_asked_again(serve, visit):
    opened = visit(serve(LABELS), expected=("503",))
    full = {"status": 503, "headers": {"Retry-After": "1"}, "json": {"error": "The server is full."}}
    opened.page.route("**/v1/predict", lambda route: route.fulfill(**full), times=1)
    opened.add(("grey.png", picture(102)))
    expect(lines(opened)).to_have_text("The server is busy; it is asked again in 1 s (try 2)")
    expect(lines(opened)).to_have_text("dark (60%)")
    assert len(opened.predictions) == 2


def test_a_server_that_is_gone_can_be_tried_again(serve, visit):
    opened = visit(serve(LABELS), expected=("ERR_",))
    opened.page.route("**/v1/predict", lambda route: route.abort(), times=1)
    opened.add(("grey.png", picture(102)))
    expect(lines(opened)).to_contain_text("is the server still running?")
    opened.page.get_by_role("button", name="Try again").click()
    expect(lines(opened)).to_have_text("dark (60%)")


@pytest.mark.parametrize("reply", [{"status": 200, "body": "<p>a proxy"}, {"status": 200, "json": {"results": [{}]}}])
def test_an_answer_that_makes_no_sense_is_said_to(serve, visit, reply):
    opened = visit(serve(LABELS))
    opened.page.route("**/v1/predict", lambda route: route.fulfill(**reply))
    opened.add(("grey.png", picture(102)))
    expect(lines(opened)).to_contain_text("The answer could not be read")


def test_a_file_beyond_the_limit_is_not_sent(serve, visit):
    opened = visit(serve(LABELS, max_bytes=100 * 1024))
    expect(opened.page.locator("#limits")).to_have_text(re.compile(", up to 100.KiB and 32.megapixels each"))
    opened.add(("large.png", bytes(200 * 1024)), ("grey.png", picture(102)))
    expect(lines(opened).first).to_have_text(
        re.compile("The file has 200.KiB and was not sent: this server takes at most 100.KiB.")
    )
    expect(lines(opened).last).to_have_text("dark (60%)")
    assert len(opened.predictions) == 1
