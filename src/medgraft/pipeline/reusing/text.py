"""What the terminal says of reuse: the answer, the reasons, and a line a block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from medgraft.errors import counted


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The findings in words."""
    robust = found["robustness"]
    score = robust["score"]
    yield (
        f"{found['run']}: {found['encoder']}, {counted(len(found['blocks']), 'block')}, from {found['start']} · "
        f"features compared on {found['similarity']['images']} images · {robust['title']} {_brief(score)} on "
        f"{found['scored']} {found['split']} images"
    )
    yield found["answer"]
    for reason in found["reasons"]:
        yield f"  {reason}"
    for caution in found["cautions"]:
        yield f"! {caution}"
    yield from _table(found)


def _table(found: Mapping[str, Any]) -> Iterator[str]:
    robust, width = found["robustness"], max(len("block"), *map(len, found["blocks"])) + 2
    near = any(each["after"] for each in found["neighbours"])
    head = f"    {'block':{width}}{'verdict':11}{'moved (RMS)':>12}{'CKA':>7}  {'loss when put back':28}"
    if robust["redrawn"]:
        head += f"{'when redrawn':28}"
    yield (head + (f"{'k-NN AUC before, after':24}" if near else "")).rstrip()
    for place, (read, moved) in enumerate(zip(found["reading"], found["movement"], strict=True)):
        line = f"{read['number']:3} {read['block']:{width}}{read['verdict']:11}{moved['weights']['rms']:12.2g}"
        line += f"{_number(read['cka'], 2):>7}  {_brief(robust['put_back'][place]):28}"
        if robust["redrawn"]:
            line += f"{_brief(robust['redrawn'][place]):28}"
        if near:
            each = found["neighbours"][place]
            line += ", ".join(_number((each[key] or {}).get("value"), 3) for key in ("before", "after"))
        yield line.rstrip()


def _brief(interval: Mapping[str, Any]) -> str:
    value = _number(interval["value"], 3)
    if interval["low"] is None or interval["high"] is None:
        return value
    return f"{value} ({_number(interval['low'], 3)} to {_number(interval['high'], 3)})"


def _number(value: float | None, places: int) -> str:
    if value is None:
        return "-"
    # Rounded first and added to 0, so that nothing is written -0.000.
    return f"{round(value, places) + 0.0:.{places}f}"
