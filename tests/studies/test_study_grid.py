"""The cells of a study: their order, their names, and grids that cannot be."""

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.errors import RecipeError
from medgraft.studies import Cell, Grid
from medgraft.studies.grid import sizes_of

GRID = Grid(("resnet18", "resnet50"), ("RI", "WT"), ("full",), (None, 200, 50), (0, 1))


def test_all_of_one_seed_come_first_with_the_fewest_images_and_what_is_compared_side_by_side():
    cells = GRID.cells()
    assert len(cells) == len(set(cells)) == 2 * 2 * 3 * 2
    assert [cell.id for cell in cells[:5]] == [
        "resnet18-RI-full-n50-s0", "resnet18-WT-full-n50-s0", "resnet50-RI-full-n50-s0", "resnet50-WT-full-n50-s0",
        "resnet18-RI-full-n200-s0",
    ]  # fmt: skip
    assert [cell.n for cell in cells[:12:4]] == [50, 200, None]
    assert [cell.seed for cell in cells] == [0] * 12 + [1] * 12


def test_folds_are_an_axis():
    folded = Grid(("resnet18",), ("WT",), ("frozen",), (None,), (7,), folds=3)
    assert [cell.id for cell in folded.cells()] == [f"resnet18-WT-frozen-nall-s7-f{fold}" for fold in (1, 2, 3)]


_cells = st.builds(
    Cell,
    st.text("ab/@.:_- é", min_size=1, max_size=140),
    st.sampled_from(["RI", "WT-ST-3"]),
    st.sampled_from(["full", "frozen"]),
    st.none() | st.integers(2, 99),
    st.integers(0, 9),
    st.integers(0, 2),
)


@given(_cells, _cells)
@settings(max_examples=60)
def test_different_cells_have_different_names_that_folders_can_have(one, other):
    assert re.fullmatch(r"[A-Za-z0-9_.+-]{1,200}", one.id)
    assert (one.id == other.id) == (one == other)


def test_an_encoder_may_bring_its_own_weights():
    cell = Cell("resnet50@medical:radimagenet@/data/rad.pt", "WT", "full")
    assert (cell.encoder_name, cell.weights) == ("resnet50", "medical:radimagenet@/data/rad.pt")
    assert cell.id.startswith("resnet50+rad+") and Cell("resnet50", "WT", "full").weights is None


def test_what_is_written_is_read_back():
    assert Grid.from_dict(yaml.safe_load(yaml.safe_dump(GRID.to_dict()))) == GRID
    assert Cell.from_dict(GRID.cells()[3].to_dict()) == GRID.cells()[3]
    assert sizes_of(["50", 200, "all", "ALL"]) == (50, 200, None, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sizes": (1,)}, "at least 2 images"),
        ({"sizes": (50, 50)}, "n: named twice"),
        ({"encoders": ("a", "a")}, "encoder: named twice in the study: a"),
        ({"inits": ()}, "init: a study needs at least one"),
        ({"strategies": ("scratch",)}, "strategy full with --init RI"),
        ({"strategies": ("auto",)}, "medgraft advise"),
    ],
)
def test_grids_that_cannot_be(change, words):
    axes = {"encoders": ("a",), "inits": ("WT",), "strategies": ("full",), "sizes": (None,), "seeds": (0,)}
    with pytest.raises(RecipeError, match=re.escape(words)):
        Grid(**(axes | change))


def test_a_number_of_images_is_a_number_or_all():
    with pytest.raises(RecipeError, match=r"or all, is wanted \(got 'half'\)"):
        sizes_of(["half"])


def test_a_grid_may_grow_and_not_shrink():
    more = Grid(GRID.encoders, ("RI", "ST", "WT"), GRID.strategies, (50, 100, 200, None), (0, 1, 2))
    more.refuse_missing(GRID)
    with pytest.raises(RecipeError, match="12 cells of it would be left out"):
        Grid(GRID.encoders, ("RI", "ST"), GRID.strategies, GRID.sizes, GRID.seeds).refuse_missing(GRID)
    with pytest.raises(RecipeError, match=r"folds \(0 -> 5\)"):
        Grid(GRID.encoders, GRID.inits, GRID.strategies, GRID.sizes, GRID.seeds, 5).refuse_missing(GRID)
