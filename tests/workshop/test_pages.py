"""The pages that show the solved notebooks are those of the notebooks."""

import re
from pathlib import Path

import pytest
from playing import TEXTS

from medgraft.workshop.notebook import read_notebook
from medgraft.workshop.notebooks import solved

PAGES = Path(__file__).parents[2] / "docs" / "workshop"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_a_page_holds_all_that_its_notebook_says_and_its_figures(path):
    page = (PAGES / f"{path.stem}.md").read_text(encoding="utf-8")
    place = 0
    for cell in solved(read_notebook(path)).cells:
        said = cell.source.replace("](../docs/", "](../")
        assert said in page[place:], f"make pages: {said}"
        place = page.index(said, place) + len(said)
    assert page.count("<summary>A solution</summary>") == len(read_notebook(path).exercises)
    shown = re.findall(r"!\[.+\]\((.+\.png)\)", page)
    there = [one.relative_to(PAGES).as_posix() for one in sorted((PAGES / path.stem).glob("*"))]
    assert shown == there
