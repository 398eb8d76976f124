"""How a threshold is chosen, as a user writes it: ``youden``, ``f1``, ``sensitivity=0.9``, ``dice`` or a number."""

from __future__ import annotations

from dataclasses import dataclass

from medgraft.errors import RecipeError, suggest

FIXED = "fixed"
RATES = ("sensitivity", "specificity")
LABEL_RULES = ("youden", "f1", *RATES)
MASK_RULES = ("dice",)

FORMS = "youden, f1, sensitivity=0.9, specificity=0.9, dice (masks), or a number between 0 and 1"


@dataclass(frozen=True)
class ThresholdRule:
    """A rule that chooses a threshold on validation images.

    Attributes
    ----------
    name : ``youden``: the largest sensitivity + specificity - 1 (Youden 1950); ``f1``: the largest F1;
        ``sensitivity`` and ``specificity``: at least so much of it, and then the most of the other; ``dice``: the
        largest mean Dice of masks; ``fixed``: a number, whatever the images.
    wanted : the least sensitivity or specificity, or the number itself; None for the other rules.
    """

    name: str
    wanted: float | None = None

    @classmethod
    def parse(cls, text: str | float) -> ThresholdRule:
        """Read a rule as it is written on the command line or in a recipe.

        Raises
        ------
        RecipeError
            For a rule that is unknown, lacks its number, or has one that is out of range.
        """
        words = str(text).strip().lower()
        number = _number(words)
        if number is not None:
            if not 0 < number < 1:
                raise RecipeError(f"a threshold is a number between 0 and 1 (got {words}).")
            return cls(FIXED, number)
        name, equals, rest = (part.strip() for part in words.partition("="))
        if name not in (*LABEL_RULES, *MASK_RULES):
            raise RecipeError(
                f"{words!r} is no rule for a threshold; give {FORMS}." + suggest(name, (*LABEL_RULES, *MASK_RULES))
            )
        if name not in RATES:
            if equals:
                raise RecipeError(f"the rule {name} takes no number (got {words!r}); give {name} alone.")
            return cls(name)
        wanted = _number(rest)
        if wanted is None or not 0 < wanted <= 1:
            raise RecipeError(f"the rule {name} wants a number above 0, up to 1, as in {name}=0.9 (got {words!r}).")
        return cls(name, wanted)

    def __str__(self) -> str:
        if self.name == FIXED:
            return f"{self.wanted:g}"
        return self.name if self.wanted is None else f"{self.name}={self.wanted:g}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
