"""Write docs/reference/recipe.md from :class:`medgraft.recipe.Recipe`, so that the page says what the code says.

Run it after a change to the recipe: ``python docs/make_recipe_reference.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medgraft.policy import POLICIES, Augment
from medgraft.recipe import Recipe, default_of

PAGE = Path(__file__).parent / "reference" / "recipe.md"

SECTIONS = {
    "task": "Data",
    "model": "Model",
    "strategy": "Strategy",
    "loss": "Loss",
    "epochs": "Training",
    "threshold": "Evaluation",
}
"""The option that opens each section."""

INTRODUCTION = """# The recipe

<!-- Written by docs/make_recipe_reference.py; change src/medgraft/recipe.py and run that. -->

Every option of a run. The names are those of a YAML file and of Python keywords. On the command line they have dashes:
`batch_size: 8` in a file is `--batch-size 8`, and `batch_size=8` in Python. A list such as `widths` is written with
commas on the command line. Unknown names and values out of range are refused.
"""

AUGMENTATION = """
## Augmentation

`augment` is the name of a policy, or a mapping that starts from one by the key `policy` and changes single values
([Augmentation](../how-to/augmentation.md)). On the command line each value is an option of its own, as
`--augment.rotation 5`. Ranges are symmetric and drawn uniformly.
"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [INTRODUCTION]
    schema = Recipe.model_json_schema(by_alias=True)["properties"]
    for name in Recipe.option_names():
        if name in SECTIONS:
            parts.append(f"\n## {SECTIONS[name]}\n\n{_table_head()}")
        parts.append(_row(name, schema[name]))
    parts.append(f"{AUGMENTATION}\n{_table_head()}")
    parts += [_row(name, option) for name, option in Augment.model_json_schema()["properties"].items()]
    return "".join([*parts, _policies()])


def _table_head() -> str:
    return "| Option | Values | Default | |\n|---|---|---|---|\n"


def _row(name: str, option: dict[str, Any]) -> str:
    default = _default(name, option)
    cells = (f"`{name}`", _values(name, option), default, option["description"])
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


def _default(name: str, option: dict[str, Any]) -> str:
    if name == "augment":
        return "dermoscopy"
    known = name in Recipe.option_names()
    return (default_of(name) or "").replace(",", ", ").replace(",  ", ", ") if known else _shown(option.get("default"))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _values(name: str, option: dict[str, Any]) -> str:
    """What an option takes, in words."""
    if name == "augment":
        return "policy or mapping"
    kinds = [kind for kind in option.get("anyOf", [option]) if kind.get("type") != "null"]
    kind = kinds[0]
    if "enum" in kind:
        return ", ".join(map(str, kind["enum"]))
    if kind.get("format") == "path":
        return "file"
    if kind["type"] == "array":
        inside = kind.get("items") or kind["prefixItems"][0]
        count = f"{kind['minItems']} " if "minItems" in kind else ""
        return f"{count}{_number(inside)}s{_limits(inside)}"
    if kind["type"] == "object":
        return "mapping of values to names"
    return "text" if kind["type"] == "string" else f"{_number(kind)}{_limits(kind)}"


def _number(kind: dict[str, Any]) -> str:
    return {"integer": "whole number", "string": "name"}.get(kind["type"], "number")


def _limits(kind: dict[str, Any]) -> str:
    words = {"minimum": "from {:g}", "exclusiveMinimum": "above {:g}",
             "maximum": "to {:g}", "exclusiveMaximum": "below {:g}"}  # fmt: skip
    found = [text.format(kind[key]) for key, text in words.items() if key in kind]
    return f", {' '.join(found)}" if found else ""


def _policies() -> str:
    """A row an option, a column a policy."""
    head = f"| | {' | '.join(POLICIES)} |\n|---|{'---|' * len(POLICIES)}\n"
    rows = (
        f"| `{name}` | {' | '.join(f'{getattr(policy, name):g}' for policy in POLICIES.values())} |\n"
        for name in Augment.model_fields
    )
    return f"\n### Augmentation policies\n\n{head}{''.join(rows)}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
