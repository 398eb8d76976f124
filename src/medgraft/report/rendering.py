"""Turning results into HTML: every value is escaped, and the page needs nothing from outside itself."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from medgraft.files import replacing, write_text
from medgraft.report import wording
from medgraft.scores import lower_is_better
from medgraft.version import __version__

_TEMPLATES = Path(__file__).parent / "templates"


def write_page(template: str, path: Path, **values: Any) -> Path:
    """Fill a template and write the page, whole or not at all."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "interval": wording.interval,
        "signed_interval": wording.signed_interval,
        "bounds": wording.bounds,
        "ends": wording.ends,
        "decimal": wording.decimal,
        "signed": wording.signed,
        "p_value": wording.p_value,
        "count": wording.count,
        "duration": wording.duration,
        "rate": wording.rate,
        "speed": wording.speed,
        "metric_name": wording.metric_name,
        "metric_meaning": wording.metric_meaning,
        "is_distance": wording.is_distance,
        "lower_is_better": lower_is_better,
        "split_name": wording.split_name,
    }
    page = environment.get_template(template).render(version=__version__, **values)
    write_text(path, page)
    return path


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def data_uri(content: bytes, kind: str) -> str:
    """The bytes of a picture as an address that holds them; ``kind`` is ``png`` or ``jpeg``."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def flattened(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Rows (dotted key, text) of a nested mapping, for a two-column table."""
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from flattened(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _plain(item)


def _plain(item: object) -> str:
    if isinstance(item, float):
        return f"{item:.4g}"
    if isinstance(item, list | tuple):
        return ", ".join(_plain(part) for part in item)
    return "–" if item is None else str(item)
