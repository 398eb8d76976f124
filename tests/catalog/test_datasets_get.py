"""``medgraft datasets get`` from outside: what it prints, and its exit codes."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from catalog_server import drop_after, hurried, one_set, status

from medgraft.catalog import RemoteFile, entries
from medgraft.catalog import get as getting
from medgraft.cli.main import main


@pytest.fixture
def toy(server, tmp_path, monkeypatch):
    """A set named ``toy`` in the catalogue, served here; returns the server."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("images/0.png", bytes(3000))
        archive.writestr("masks/0.png", bytes(30))
    entry = one_set("toy", RemoteFile(server.put("toy.zip", out.getvalue()), unpack="zip"), title="a toy")
    stepped = replace(entry, name="stepped", steps=("Put the table into {folder}.",), editions=entry.editions)
    known = {**entries.catalogue(), "toy": entry, "stepped": stepped}
    monkeypatch.setattr(entries, "catalogue", lambda: known)
    monkeypatch.setattr(getting, "Patience", hurried)
    monkeypatch.chdir(tmp_path)
    return server


def test_where_it_lies_and_how_to_train_is_the_result(toy, capsys):
    toy.files["toy.zip"].faults = [drop_after(1000)]
    assert main(["datasets", "get", "toy"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ["data/toy   a toy", "medgraft fit data/toy"]
    first, second = said.err.splitlines()
    assert first == "toy: 3 images in 1 file, about 1 B · licence: CC0"
    assert second.startswith("toy.zip: the connection") and "trying again in" in second
    assert Path("data/toy/images/0.png").stat().st_size == 3000


def test_again_and_elsewhere(toy, capsys):
    assert main(["datasets", "get", "toy", "--out", "sets/mine"]) == 0
    capsys.readouterr()
    assert main(["datasets", "get", "toy", "--out", "sets/mine"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ["sets/mine   a toy", "medgraft fit sets/mine"]
    assert said.err == "sets/mine holds toy already (2 files, 3.03 kB); nothing was fetched\n" and len(toy.asked) == 1


def test_steps_that_are_left(toy, capsys):
    assert main(["datasets", "get", "stepped", "--out", "set"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["what is left to do:", "  1. Put the table into set.", "medgraft fit set"]


def test_json_says_the_same(toy, capsys):
    assert main(["datasets", "get", "toy", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["folder"] == "data/toy" and record["fit"] == ["medgraft fit data/toy"] and record["files"] == 2


def test_a_server_that_fails_is_one_sentence(toy, capsys):
    toy.files["toy.zip"].always = status(503)
    assert main(["datasets", "get", "toy"]) == 2
    said = capsys.readouterr()
    last = said.err.splitlines()[-1]
    assert last.startswith("error: ") and "5 times in a row" in last and "same command" in last
    assert said.out == "" and "Traceback" not in said.err and not Path("data/toy").exists()
