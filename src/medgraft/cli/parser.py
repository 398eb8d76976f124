"""A parser that says a mistake in one line and suggests what may have been meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from medgraft.errors import suggest

MISTAKE = 2
"""The exit code of something that the user can mend."""


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser without the page of usage before an error, and without guessed abbreviations.

    An option that is cut short is an error, not the option that it begins: what is written in a script must not
    change its meaning when an option is added.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        self._positionals.title = "arguments"
        # What begins with a minus and a digit is a value (a window of -600/1500), as no option is called so.
        self._negative_number_matcher = re.compile(r"-\d")

    def error(self, message: str) -> NoReturn:
        """Leave with the message and where to read on."""
        self._leave(f"{message}.")

    def refuse(self, leftover: Sequence[str]) -> NoReturn:
        """Leave with a message on words that no option or argument took, and the options nearest to them."""
        option = next((word.partition("=")[0] for word in leftover if word.startswith("-")), None)
        if option is None:
            self.error(f"more arguments than it takes: {' '.join(leftover)}")
        plain = [known.lstrip("-") for known in self._option_string_actions]
        self._leave(f"no option {option}.{suggest(option.lstrip('-'), plain)}")

    def _leave(self, message: str) -> NoReturn:
        self.exit(MISTAKE, f"error: {message} {self.prog} --help lists what there is.\n")
