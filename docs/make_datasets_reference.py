"""Write docs/reference/datasets.md from the catalogue, so that the page says what the command says.

Run it after a change to src/medgraft/catalog/*.yaml: ``python docs/make_datasets_reference.py``.
"""

from __future__ import annotations

from pathlib import Path

from medgraft.catalog import Dataset, catalogue
from medgraft.catalog.card import holds, way

PAGE = Path(__file__).parent / "reference" / "datasets.md"

INTRODUCTION = """# Data sets

<!-- Written by docs/make_datasets_reference.py; change src/medgraft/catalog/*.yaml and run that. -->

The public data sets that `medgraft datasets` knows ([how to get them](../how-to/datasets.md)). Read the licence at its
source before you use one; where it says ?, we could not verify it. *direct* sets are fetched by
`medgraft datasets get NAME`; for *account* and *by hand* it prints the steps. Sizes are of what is fetched.

The 3-D sets of MedMNIST are not read.
"""


def page() -> str:
    """The whole page as Markdown."""
    entries = list(catalogue().values())
    return "\n".join([INTRODUCTION, _overview(entries), *(_section(entry) for entry in entries)])


def _overview(entries: list[Dataset]) -> str:
    head = "| Name | Task | Images | Size | Licence | Get |\n|---|---|---:|---:|---|---|\n"
    return head + "".join(
        f"| [{entry.name}](#{entry.name}) | {holds(entry)} | {entry.images:,} | {entry.size} | {entry.stated_licence} "
        f"| {way(entry)} |\n"
        for entry in entries
    )


def _section(entry: Dataset) -> str:
    patients = f"{entry.patients:,} {entry.patients_are or 'patients'}" if entry.patients else "patients not told apart"
    facts = {
        "Classes": ", ".join(entry.classes),
        "Images": f"{entry.images:,}, {entry.pixels} pixels; {patients}",
        "Licence": f"{entry.stated_licence}. {entry.licence_doubt}".strip(". ") + ".",
        "Size": ", ".join(f"{e.pixels} px {e.size}" for e in entry.editions) if entry.sides else str(entry.size),
        "Cite": entry.citation,
        "Page": f"<{entry.page}>",
        "Note": entry.note,
    }
    lines = [f"## {entry.name}", "", f"{entry.title[0].upper()}{entry.title[1:]}.", ""]
    lines += [f"- {title}: {value}" for title, value in facts.items() if value]
    return "\n".join([*lines, "", *_steps(entry), *_use(entry)])


def _steps(entry: Dataset) -> list[str]:
    lines = [f"{number}. {step.replace('{folder}', entry.folder())}" for number, step in enumerate(entry.steps, 1)]
    if entry.editions and lines:
        lines = ["After `medgraft datasets get` one step is left:", "", *lines]
    script = ["```python", entry.script, "```", ""] if entry.script else []
    return [*lines, "", *script] if lines else []


def _use(entry: Dataset) -> list[str]:
    get = [f"medgraft datasets get {entry.name}"] if entry.editions else []
    commands = [f"$ {command}" for command in (*get, *entry.commands(entry.folder()))]
    return ["```text", entry.layout, "```", "", "```console", *commands, "```", ""]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
