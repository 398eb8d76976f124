"""What was read last, kept in memory within a budget: made once, whoever else asks for it meanwhile waits."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from medgraft.errors import DataError


class Sized(Protocol):
    """Something that says how many bytes it takes."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""


T = TypeVar("T", bound=Sized)


class Recent:
    """Values by key, the last used ones kept as long as they take at most ``budget`` bytes together.

    One value is kept even where it alone takes more. A value that cannot be made (DataError) is kept as its error, so
    that a damaged file of 500 slices is read once and not 500 times.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of all values that are kept."""
        with self._lock:
            return sum(self._sizes.values())

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of ``key``; the first to ask makes it, without holding up those who ask for others."""
        with self._lock:
            future = self._kept.get(key)
            mine = future is None
            if future is None:
                future = self._kept[key] = Future()
            self._kept.move_to_end(key)
        if mine:
            self._make(key, future, make)
        value: T = future.result()
        return value

    def _make(self, key: Hashable, future: Future[Any], make: Callable[[], T]) -> None:
        try:
            value = make()
        except BaseException as error:
            future.set_exception(error)
            if not isinstance(error, DataError):
                with self._lock:
                    self._kept.pop(key, None)
            return
        with self._lock:
            self._sizes[key] = value.nbytes
            self._trim()
        future.set_result(value)

    def _trim(self) -> None:
        """Forget what was used longest ago; what is being made now is in nobody's way."""
        for key in list(self._kept)[:-1]:
            if sum(self._sizes.values()) <= self.budget:
                return
            if key in self._sizes:
                del self._kept[key], self._sizes[key]
