"""Quizzes: every file is whole and its sources exist, marking, and the order of the choices."""

import random
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.errors import DataError, RecipeError
from medgraft.workshop.question import Choice, Question, Score, Source
from medgraft.workshop.quiz_file import QUIZZES, quiz_of, read_quiz, read_sources
from plain_yaml import NoDoubles

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "src" / "medgraft" / "workshop" / "quizzes"
SOURCES = read_sources(yaml.load((FOLDER / "sources.yaml").read_text("utf-8"), NoDoubles))
USED = {source for name in QUIZZES for q in quiz_of(name).questions for c in q.choices for source in c.sources}
PAGE = Source("a page", "docs/index.md")


def _slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_every_file_is_a_quiz_of_the_list_and_there_are_at_least_six():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {*QUIZZES, "sources"}
    assert len(QUIZZES) >= 6


@pytest.mark.parametrize("name", QUIZZES)
def test_a_quiz_is_whole(name):
    quiz = quiz_of(name)
    assert yaml.load((FOLDER / f"{name}.yaml").read_text("utf-8"), NoDoubles)["title"] == quiz.title
    assert len(quiz.questions) >= 4
    for question in quiz.questions:
        assert 3 <= len(question.choices) <= 5
        assert 0 < len(question.right) < len(question.choices)
        assert question.asked.endswith("(More than one is right.)") == question.several
        for choice in question.choices:
            assert len(choice.text) <= 110, choice.text  # a button's label
            assert choice.why.endswith((".", ".)")), choice.why
            assert choice.sources


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_resolves_and_is_used(name):
    source = SOURCES[name]
    if source.at.startswith("docs/"):
        page, _, heading = source.at.partition("#")
        text = (ROOT / page).read_text("utf-8")
        headings = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
        assert not heading or heading in map(_slug, headings), source.at
        assert source.what.startswith(headings[0].split(", and how")[0]), headings[0]
    else:
        assert re.fullmatch(r"arXiv:\d{4}\.\d{5}|arXiv:(0[7-9]|1[0-4])\d\d\.\d{4}|doi:10\.\d{4,}/\S+", source.at)
        assert re.search(r" (19|20)\d\d, ", source.what)
    assert source in USED


def test_no_quiz_can_be_passed_by_taking_the_longest_choice():
    for name in QUIZZES:
        questions = quiz_of(name).questions
        longest = [max(range(len(q.choices)), key=lambda k, q=q: len(q.choices[k].text)) for q in questions]
        hits = sum(question.mark({place}) for question, place in zip(questions, longest, strict=True))
        assert hits <= 0.6 * len(questions), name


def test_an_unknown_quiz_is_named():
    with pytest.raises(RecipeError, match=r"no quiz 'when-it-help'.*Did you mean when-it-helps"):
        quiz_of("when-it-help")


choices = st.lists(st.booleans(), min_size=3, max_size=5).filter(lambda right: len(set(right)) == 2)


def _question(right):
    return Question("which?", tuple(Choice(f"choice {k}", r, "so.", (PAGE,)) for k, r in enumerate(right)))


@given(choices, st.integers(0, 2**32))
@settings(max_examples=60)
def test_shuffling_keeps_the_right_answers_right(right, seed):
    question = _question(right)
    shuffled = question.shuffled(random.Random(seed))
    assert sorted(c.text for c in shuffled.choices) == sorted(c.text for c in question.choices)
    assert {shuffled.choices[k].text for k in shuffled.right} == {f"choice {k}" for k, r in enumerate(right) if r}
    assert shuffled.mark(shuffled.right)


@given(choices, st.data())
@settings(max_examples=60)
def test_an_answer_is_right_only_with_all_right_choices_and_no_other(right, data):
    question = _question(right)
    chosen = data.draw(st.sets(st.integers(0, len(right) - 1)))
    assert question.mark(chosen) == all((k in chosen) == r for k, r in enumerate(right))


def test_a_seed_gives_the_same_order_again_and_no_seed_gives_others():
    quiz = quiz_of(QUIZZES[0])
    assert quiz.shuffled(3) == quiz.shuffled(3)
    assert len({quiz.shuffled() for _ in range(20)}) > 10
    first = {quiz.shuffled(seed).questions[0].right for seed in range(40)}
    assert len(first) == 4  # the right one comes to stand everywhere


def test_a_score_is_a_share_of_all_questions():
    score = Score("q", 3, 4, 0.75)
    assert score.share == 0.75
    assert score.text() == "3 of 4 right. Best so far: 75%. quiz('q') asks again."


def _raw(**change):
    def answers():
        return [{"right": "a", "why": "w", "source": "s"}, *({"wrong": w, "why": "w", "source": ["s"]} for w in "bc")]

    return {"title": "T", "questions": [{"ask": f"q{k}", "choices": answers()} for k in range(4)]} | change


def _broken(change):
    raw = _raw()
    change(raw["questions"][1]["choices"])
    return raw


def test_a_whole_file_is_read():
    read = read_quiz("mine", _raw(), {"s": PAGE})
    assert [question.text for question in read.questions] == ["q0", "q1", "q2", "q3"]
    assert read.questions[0].choices[1] == Choice("b", False, "w", (PAGE,))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([], "the keys title, questions are wanted"),
        (_raw(more=1), "title, questions are wanted, there are title, questions, more"),
        (_raw(title=" "), "title: words are wanted"),
        (_raw(questions="q"), "questions: a list is wanted"),
        (_raw(questions=_raw()["questions"][:3]), "3 questions; a quiz has at least 4"),
        (_raw(questions=_raw()["questions"][:1] * 4), "a question is there twice"),
        (_broken(lambda choices: choices.pop()), "question 2: 2 choices; there have to be 3 to 5"),
        (_broken(lambda choices: choices.extend([choices[1]] * 3)), "6 choices"),
        (_broken(lambda choices: choices.append(dict(choices[1]))), "question 2: a choice is there twice"),
        (
            _broken(lambda choices: choices[0].update(wrong=choices[0].pop("right"))),
            "at least one choice has to be right",
        ),
        (_broken(lambda choices: choices[2].pop("why")), "question 2, choice 3: the keys wrong, why, source"),
        (_broken(lambda choices: choices[2].update(source="x")), "choice 3: x is no source"),
        (_broken(lambda choices: choices[2].update(source=[])), "choice 3: nothing is no source"),
        (_broken(lambda choices: choices[2].update(why=3)), "choice 3: why: words are wanted"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(raw, said):
    with pytest.raises(DataError, match=re.escape(said)):
        read_quiz("mine", raw, {"s": PAGE})


@pytest.mark.parametrize("raw", [[], {"a": {"what": "x"}}, {"a": {"what": "x", "at": "https://example.org"}}])
def test_sources_that_are_not_whole_are_refused(raw):
    with pytest.raises(DataError, match=r"sources\.yaml"):
        read_sources(raw)
