"""Options that say how to read data, given with data that was read already."""

import pytest

from medgraft import fit
from medgraft.data import Manifest, open_data
from medgraft.errors import DataError
from medgraft.pipeline.prepare import open_for
from medgraft.recipe import Recipe

TINY = {"model": "unet", "strategy": "scratch", "widths": (4, 8), "size": 32, "epochs": 1}


@pytest.mark.parametrize("option", ["group", "split_column"])
def test_a_column_that_a_manifest_was_opened_without_is_refused(ellipses, tmp_path, option):
    with pytest.raises(DataError, match=rf"{option} 'site' is asked for .*medgraft\.open\(\.\.\., {option}='site'\)"):
        fit(open_data(ellipses), out=tmp_path / "run", **TINY, **{option: "site"})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("option", "column"), [("group", "group"), ("split_column", "split")])
def test_a_manifest_that_has_the_column_is_taken_as_it_is(ellipses, option, column):
    table = open_data(ellipses).table
    manifest = Manifest(table.assign(**{column: ["train"] * 17 + ["test"] * 3}), ellipses, "shapes")
    assert open_for(manifest, Recipe.make(**{option: "site"})) is manifest
