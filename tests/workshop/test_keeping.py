"""Trainings that a notebook does once."""

import pytest

from medgraft.workshop import kept


def test_the_same_options_share_a_folder_and_others_have_another(tmp_path):
    first = kept(tmp_path / "frozen", strategy="frozen", epochs=8, init=["RI", "WT"])
    assert first["out"].name == "frozen"
    assert first["resume"] is False
    assert {name: first[name] for name in ("strategy", "epochs", "init")} == {
        "strategy": "frozen", "epochs": 8, "init": ["RI", "WT"],
    }  # fmt: skip
    assert kept(tmp_path / "frozen", init=["RI", "WT"], epochs=8, strategy="frozen") == first
    others = [
        kept(tmp_path / "frozen", strategy="frozen", epochs=9, init=["RI", "WT"]),
        kept(tmp_path / "frozen", strategy="frozen", epochs=8, init=["WT", "RI"]),
        kept(tmp_path / "full", strategy="frozen", epochs=8, init=["RI", "WT"]),
        kept(tmp_path / "frozen"),
    ]
    assert len({first["out"], *(one["out"] for one in others)}) == 5


@pytest.mark.parametrize("begun", ["recipe.yaml", "study.yaml"])
def test_what_was_begun_is_gone_on_with(tmp_path, begun):
    out = kept(tmp_path / "frozen", epochs=8)["out"]
    out.mkdir(parents=True)
    assert kept(tmp_path / "frozen", epochs=8)["resume"] is False
    (out / begun).write_text("")
    assert kept(tmp_path / "frozen", epochs=8)["resume"] is True
    assert kept(tmp_path / "frozen", epochs=7)["resume"] is False
