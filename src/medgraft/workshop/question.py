"""A quiz: questions with choices, each of which says why it is right or wrong and where that stands."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Source:
    """Where something stands.

    Attributes
    ----------
    what : who wrote it, or the title of a page.
    at : ``arXiv:NUMBER``, ``doi:NAME``, or a page of the documentation (``docs/...md``, with ``#heading`` or without).
    """

    what: str
    at: str

    def __str__(self) -> str:
        return f"{self.what} ({self.at})"


@dataclass(frozen=True)
class Choice:
    """An answer to choose, whether it is right, and why."""

    text: str
    right: bool
    why: str
    sources: tuple[Source, ...]

    @property
    def explained(self) -> str:
        """Why, with the sources."""
        return f"{self.why} [{'; '.join(str(source) for source in self.sources)}]"


@dataclass(frozen=True)
class Question:
    """A question and its choices in the order in which they are shown."""

    text: str
    choices: tuple[Choice, ...]

    @property
    def right(self) -> frozenset[int]:
        """The places of all right choices."""
        return frozenset(place for place, choice in enumerate(self.choices) if choice.right)

    @property
    def several(self) -> bool:
        """Whether more than one choice is right; the question then says so."""
        return len(self.right) > 1

    @property
    def asked(self) -> str:
        """The question as it is shown."""
        return f"{self.text} (More than one is right.)" if self.several else self.text

    def mark(self, chosen: Collection[int]) -> bool:
        """Whether all right choices were chosen, and no other."""
        return frozenset(chosen) == self.right

    def shuffled(self, draws: random.Random) -> Question:
        """The same question with its choices in another order."""
        return replace(self, choices=tuple(draws.sample(self.choices, len(self.choices))))


@dataclass(frozen=True)
class Quiz:
    """A quiz; ``id`` is what ``quiz`` takes."""

    id: str
    title: str
    questions: tuple[Question, ...]

    def shuffled(self, seed: int | None = None) -> Quiz:
        """The same questions with their choices in an order that the seed decides, or else chance."""
        draws = random.Random(seed)
        return replace(self, questions=tuple(question.shuffled(draws) for question in self.questions))


@dataclass(frozen=True)
class Score:
    """How many questions were answered rightly, and the best share so far, this time included."""

    quiz: str
    right: int
    of: int
    best: float

    @property
    def share(self) -> float:
        """Of all questions."""
        return self.right / self.of

    def text(self) -> str:
        """As it is shown."""
        return f"{self.right} of {self.of} right. Best so far: {self.best:.0%}. quiz({self.quiz!r}) asks again."
