"""The quiz as a form: its structure, and in a real browser by keyboard alone, light and dark, without scripts."""

import re
from html.parser import HTMLParser

import pytest
from playwright.sync_api import expect

import chromium
from medgraft.workshop.quiz_file import QUIZZES, quiz_of
from medgraft.workshop.quiz_page import quiz_form, write_quiz_page

browser = chromium.browser
QUIZ = "when-it-helps"
VOID = {"meta", "input", "br"}


class Tree(HTMLParser):
    """Reads strictly: tags that are not balanced are an error. ``found`` is (tag, attributes, tags around, text)."""

    def __init__(self, source):
        super().__init__()
        self.open, self.found = [], []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        entry = (tag, dict(attrs), [around[0] for around in self.open], [])
        self.found.append(entry)
        if tag not in VOID:
            self.open.append(entry)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for entry in self.open:
            entry[3].append(data)

    def all(self, tag):
        return [entry for entry in self.found if entry[0] == tag]

    def texts(self, tag):
        return [" ".join("".join(entry[3]).split()) for entry in self.all(tag)]


@pytest.mark.parametrize("name", QUIZZES)
def test_the_form_has_a_group_a_question_and_a_label_a_choice(name):
    quiz = quiz_of(name).shuffled(1)
    tree = Tree(quiz_form(quiz))
    assert len(tree.all("form")) == len(tree.all("fieldset")) == len(quiz.questions)
    plain = [q.asked.replace("`", "") for q in quiz.questions]
    assert tree.texts("legend") == [f"{k}. {text}" for k, text in enumerate(plain, 1)]
    choices = [choice for question in quiz.questions for choice in question.choices]
    assert tree.texts("label") == [choice.text.replace("`", "") for choice in choices]
    kinds = ["checkbox" if question.several else "radio" for question in quiz.questions for _ in question.choices]
    inputs = tree.all("input")
    assert [entry[1]["type"] for entry in inputs] == kinds
    assert ["data-right" in entry[1] for entry in inputs] == [choice.right for choice in choices]
    assert all("label" in around and "fieldset" in around for _, _, around, _ in inputs)
    said = tree.texts("li")
    for item, choice in zip(said, choices, strict=True):
        assert item.startswith("✓ Right" if choice.right else "✗ Wrong")
        assert choice.why.replace("`", "") in item
        assert all(source.at in item for source in choice.sources)


def test_nothing_comes_from_outside_and_forms_stand_beside_each_other(tmp_path):
    source = write_quiz_page(quiz_of(QUIZ), tmp_path / "quiz.html").read_text("utf-8")
    assert not re.search(r"https?:|//\w+\.|@import|\b(src|href)=|\bid=", source)
    tree = Tree(source)
    assert [entry[1]["type"] for entry in tree.all("button")] == ["submit"] * 5 + ["button"]
    assert all("hidden" in entry[1] for entry in tree.all("button"))  # of no use where scripts are off
    assert len(tree.all("details")) == 5
    assert tree.all("html")[0][1]["lang"] == "en"


@pytest.fixture
def visit(browser, tmp_path):
    """Opens the page with options of the browser's context; at the end nothing else was asked for, nothing said."""
    opened = []

    def open_page(**options):
        context = browser.new_context(**options)
        page = context.new_page()
        said = []
        page.on("request", lambda request: said.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        address = write_quiz_page(quiz_of(QUIZ).shuffled(1), tmp_path / "quiz.html").as_uri()
        page.goto(address)
        opened.append((context, said, address))
        return page

    yield open_page
    for context, said, address in opened:
        assert set(said) == {address}
        context.close()


FOCUSED = "document.activeElement.closest('label')?.innerText ?? document.activeElement.innerText"
OUTLINE = "parseFloat(getComputedStyle(document.activeElement).outlineWidth)"


def _tab(page, wanted):
    """Press Tab until the element that has the focus is of that kind (CSS); returns the words beside it."""
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.matches({wanted!r})"):
            return page.evaluate(FOCUSED).strip()
    raise AssertionError(f"the focus never came to {wanted}")


def _choose_one(page, text):
    _tab(page, "input[type=radio]")
    for _ in range(5):
        page.keyboard.press("ArrowDown")
        if page.evaluate(FOCUSED).strip() == text:
            return
    raise AssertionError(f"no arrow came to {text!r}")


def _choose_several(page, texts, of):
    for _ in range(of):
        if _tab(page, "input[type=checkbox]") in texts:
            page.keyboard.press("Space")


def test_a_quiz_is_answered_by_keyboard_alone(visit):
    page = visit(viewport={"width": 390, "height": 800})
    questions = quiz_of(QUIZ).questions
    for number, question in enumerate(questions):
        right = [choice.text for choice in question.choices if choice.right]
        wrong = next(choice.text for choice in question.choices if not choice.right)
        form = page.locator("form").nth(number)
        if question.several:
            _choose_several(page, right, len(question.choices))
        else:
            _choose_one(page, right[0] if number else wrong)  # the first one wrongly
        if number == 1:
            page.keyboard.press("Enter")  # on a radio button it checks, too
        else:
            _tab(page, "button[type=submit]")
            assert page.evaluate(OUTLINE) >= 2, "the focus can be seen"
            page.keyboard.press("Space")
        expect(form.get_by_role("status")).to_have_text("✓ Right." if number else "✗ Not quite.")
        expect(form.get_by_role("status")).to_be_focused()
        for choice in question.choices:
            expect(form.get_by_text(choice.why)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator(".score")).to_have_text("4 of 5 right.")
    assert _tab(page, ".again") == "Start again"
    page.keyboard.press("Enter")
    expect(page.locator(".score")).to_have_text("")
    expect(page.locator("input:checked")).to_have_count(0)
    expect(page.locator("details:visible")).to_have_count(0)
    assert page.evaluate("document.activeElement === document.querySelector('input')")


def test_an_answer_is_wanted_before_it_is_checked_and_explanations_follow_the_choices(visit):
    page = visit()
    form = page.locator("form").first
    form.get_by_role("button", name="Check").click()
    expect(form.get_by_role("status")).to_have_text("Choose an answer first.")
    expect(form.locator("details")).to_be_hidden()
    orders = set()
    for _ in range(5):
        page.reload()
        labels = [text.strip() for text in form.locator("label").all_inner_texts()]
        form.locator("label").nth(0).click()
        form.get_by_role("button", name="Check").click()
        heads = [text.partition(": ")[2] for text in form.locator("li strong").all_inner_texts()]
        assert heads == labels
        right = next(choice.text for choice in quiz_of(QUIZ).questions[0].choices if choice.right)
        expect(form.get_by_role("status")).to_have_text("✓ Right." if labels[0] == right else "✗ Not quite.")
        orders.add(tuple(labels))
    assert len(orders) > 1, "choices are shuffled"


def test_without_scripts_the_answers_can_be_opened(visit):
    page = visit(java_script_enabled=False)
    expect(page.get_by_role("button", name="Check")).to_have_count(0)
    why = page.get_by_text(quiz_of(QUIZ).questions[0].choices[0].why)
    expect(why).to_be_hidden()
    page.get_by_text("Show the answer").first.click()
    expect(why).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(visit, scheme):
    page = visit(color_scheme=scheme)
    numbers = "text => text.match(/[0-9.]+/g).map(Number).slice(0, 3)"
    ink, ground = page.evaluate(
        f"[getComputedStyle(document.querySelector('label')).color, getComputedStyle(document.body).backgroundColor]"
        f".map({numbers})"
    )
    assert _contrast(ink, ground) >= 7
    assert (sum(ground) > 600) == (scheme == "light")


def _contrast(first, second):
    """Contrast ratio of two sRGB colours (WCAG 2.1)."""

    def luminance(rgb):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
