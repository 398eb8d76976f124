"""Runs the solved notebooks and writes what they show to ``docs/workshop``: ``make pages`` (some minutes)."""

import base64
import os
import shutil
import tempfile
from pathlib import Path

import nbformat
from build import HERE, texts
from nbclient import NotebookClient
from tqdm import tqdm

from medgraft.files import write_text
from medgraft.workshop.notebook import read_notebook
from medgraft.workshop.notebooks import solved

PAGES = HERE.parent / "docs" / "workshop"


def main() -> None:
    """Run them in one folder, in their order, and write a page for each."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEDGRAFT_WORKSHOP"] = folder
        os.environ.pop("MEDGRAFT_WORKSHOP_DATA", None)
        for path in tqdm(texts(), desc="notebooks"):
            book = nbformat.reads(solved(read_notebook(path)).to_ipynb(), as_version=4)
            NotebookClient(book, timeout=600, resources={"metadata": {"path": folder}}).execute()
            figures = PAGES / path.stem
            shutil.rmtree(figures, ignore_errors=True)
            write_text(PAGES / f"{path.stem}.md", page(book.cells, figures))


def page(cells: list, figures: Path) -> str:
    """The cells as Markdown; figures are written to a folder beside the page."""
    parts = []
    for cell in cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source.replace("](../docs/", "](../"))
            continue
        code = f"```python\n{cell.source}\n```"
        parts.append(_folded("A solution", code) if "exercise" in cell.metadata else code)
        parts += _shown(cell.outputs, figures)
    return "\n\n".join(parts) + "\n"


def _folded(title: str, text: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


def _shown(outputs: list, figures: Path) -> list[str]:
    """What a cell printed or returned; what went to standard error is left out."""
    parts, printed = [], ""
    for output in outputs:
        if output.output_type == "stream":
            printed += output.text if output.name == "stdout" else ""
            continue
        plain = output.get("data", {}).get("text/plain", "")
        if "image/png" not in output.get("data", {}):
            printed += plain
            continue
        figures.mkdir(parents=True, exist_ok=True)
        target = figures / f"{len(list(figures.iterdir())) + 1:02d}.png"
        target.write_bytes(base64.b64decode(output.data["image/png"]))
        parts.append(f"![{' '.join(plain.split()).replace(']', ')').replace('[', '(')}]({figures.name}/{target.name})")
    printed = printed.strip("\n")
    return ([f"```text\n{printed}\n```"] if printed.strip() else []) + parts


if __name__ == "__main__":
    main()
