"""What the labels of images mean: classes in a fixed order, and how texts become numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medgraft.data.problems import refuse
from medgraft.errors import DataError, listing, suggest

Kind = Literal["binary", "multiclass", "multilabel"]

SEPARATOR = "|"
"""Between the positive classes of an image in the text of a multi-label target."""

_NOTHING = frozenset(
    (
        *("0", "no", "none", "false", "absent", "negative", "neg", "normal", "healthy", "benign", "control"),
        *("controls", "nofinding", "nofindings", "nodisease", "noabnormality", "notumor", "notumour", "nolesion"),
    )
)
_NEGATIONS = ("no", "non", "not", "without")


@dataclass(frozen=True)
class LabelClasses:
    """Classes of whole images, in the order that every score, file and model keeps to.

    Attributes
    ----------
    names : class names; of two (not multi-label), index 1 is the positive one.
    multilabel : whether an image may have several of them, or none.

    Raises
    ------
    DataError
        For fewer than two names, a name that is empty or given twice, and a multi-label name with ``|`` in it.
    """

    names: tuple[str, ...]
    multilabel: bool = False

    def __post_init__(self) -> None:
        if len(self.names) < 2:
            found = f"one class ({self.names[0]})" if self.names else "no class"
            sentence = f"there is {found}, so there is nothing to tell apart; two or more are wanted."
            if not self.names:
                raise DataError(sentence)
            refuse("one class", sentence, self.names)
        doubled = [name for name, times in Counter(self.names).items() if times > 1]
        if doubled:
            raise DataError(f"classes are named twice: {listing(doubled)}.")
        if not all(name.strip() for name in self.names):
            raise DataError(f"a class has no name among {listing(map(repr, self.names))}.")
        torn = [name for name in self.names if self.multilabel and SEPARATOR in name]
        if torn:
            raise DataError(f"the name of a class cannot hold {SEPARATOR!r}: {listing(torn)}.")

    @classmethod
    def infer(cls, values: Iterable[str], order: Sequence[str] | None = None) -> LabelClasses:
        """Return the classes of single labels, sorted (numbers as numbers), or in ``order``.

        Of two classes, the one whose name says that nothing was found (normal, no_finding, benign, 0, ...) comes
        first, so that the finding is the positive one. Raises DataError where ``order`` has other names.
        """
        names = in_order(set(values))
        if len(names) == 2 and order is None:
            names = sorted(names, key=lambda name: not _is_negative(name, names))
        return cls(_permuted(names, order))

    @classmethod
    def several(cls, names: Sequence[str], order: Sequence[str] | None = None) -> LabelClasses:
        """Return multi-label classes as they come, or in ``order``; raises DataError where that has other names."""
        return cls(_permuted(names, order), multilabel=True)

    @property
    def kind(self) -> Kind:
        """``multilabel``; else ``binary`` for two classes and ``multiclass`` for more."""
        if self.multilabel:
            return "multilabel"
        return "binary" if self.count == 2 else "multiclass"

    @property
    def count(self) -> int:
        """Number of classes."""
        return len(self.names)

    @property
    def outputs(self) -> int:
        """Logits an image: 1 where the classes are two and exclude each other, else one a class."""
        return 1 if self.kind == "binary" else self.count

    def encode(self, texts: Iterable[str]) -> npt.NDArray[Any]:
        """Return class indices ``[N]`` int64, or, of multi-label texts (``"a|b"``), 0 and 1 ``[N, C]`` uint8.

        Raises DataError for a label that is none of the classes.
        """
        index = {name: position for position, name in enumerate(self.names)}
        texts = list(texts)
        if not self.multilabel:
            self._refuse_strangers(text for text in texts if text not in index)
            return np.array([index[text] for text in texts], np.int64)
        parts = [[part for part in text.split(SEPARATOR) if part] for text in texts]
        self._refuse_strangers(part for row in parts for part in row if part not in index)
        encoded = np.zeros((len(texts), self.count), np.uint8)
        for row, found in enumerate(parts):
            encoded[row, [index[part] for part in found]] = 1
        return encoded

    def presence(self, texts: Iterable[str]) -> npt.NDArray[np.uint8]:
        """Return ``[N, C]`` uint8, 1 for each class that an image has, whatever the kind."""
        encoded = self.encode(texts)
        return np.asarray(encoded if self.multilabel else np.eye(self.count, dtype=np.uint8)[encoded], np.uint8)

    def text(self, presence: npt.NDArray[Any]) -> str:
        """The text of a multi-label target: names of the classes that are not 0 in ``presence`` ``[C]``."""
        return SEPARATOR.join(name for name, there in zip(self.names, presence, strict=True) if there)

    def to_dict(self) -> dict[str, Any]:
        """Plain types that JSON can hold; :meth:`from_dict` reads them back."""
        return {"names": list(self.names), "multilabel": self.multilabel}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> LabelClasses:
        """Read what :meth:`to_dict` wrote."""
        return cls(tuple(str(name) for name in raw["names"]), bool(raw["multilabel"]))

    def _refuse_strangers(self, labels: Iterable[str]) -> None:
        strangers = sorted({repr(label) for label in labels})
        if strangers:
            raise DataError(f"labels that are none of the classes ({listing(self.names)}): {listing(strangers)}.")


def says_nothing_found(name: str) -> bool:
    """Whether the name of a class says that nothing was found; case, spaces, dashes and underscores are ignored."""
    return _plain(name) in _NOTHING


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names sorted: by their value where all are numbers, as text otherwise."""
    names = list(names)
    try:
        values = {name: float(name) for name in names}
    except ValueError:
        return sorted(names)
    if not all(map(math.isfinite, values.values())):
        return sorted(names)
    return sorted(names, key=lambda name: (values[name], name))


def _is_negative(name: str, pair: Sequence[str]) -> bool:
    """Whether ``name`` says that nothing was found, by itself or as the negation of the other of the two."""
    other = pair[1] if name == pair[0] else pair[0]
    return says_nothing_found(name) or _plain(name) in {negation + _plain(other) for negation in _NEGATIONS}


def _plain(name: str) -> str:
    kept = name.casefold()
    for sign in " -_\t":
        kept = kept.replace(sign, "")
    return kept


def _permuted(names: Sequence[str], order: Sequence[str] | None) -> tuple[str, ...]:
    if order is None:
        return tuple(names)
    lacking = [name for name in names if name not in order]
    unknown = [name for name in order if name not in names]
    if lacking or unknown:
        parts = [f"leave out {listing(lacking)}"] if lacking else []
        parts += [f"name {listing(unknown)}, which no image has"] if unknown else []
        hint = suggest(unknown[0], names) if unknown else ""
        raise DataError(f"the classes asked for {' and '.join(parts)}; there are {listing(names)}.{hint}")
    return tuple(order)
