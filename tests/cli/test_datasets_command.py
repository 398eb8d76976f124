"""``medgraft datasets``: the list, a card, the steps of a person, and what is refused; none of it needs a network."""

from __future__ import annotations

import json

import pytest
from command_line import refused

from medgraft.catalog import catalogue


def test_the_list(medgraft):
    said = medgraft("datasets")
    assert said.code == 0 and said.err == ""
    lines = said.out.splitlines()
    assert lines[0].split() == ["data", "set", "task", "images", "size", "licence", "get"]
    assert max(map(len, lines)) <= 80
    rows = {line.split()[0]: line.split() for line in lines[1 : lines.index("")]}
    assert list(rows) == list(catalogue())
    assert rows["kvasir-seg"][1:] == ["masks", "1,000", "46.2", "MB", "research", "only", "?", "direct"]
    assert rows["chexpert"][1:3] == ["5", "labels"] and rows["chexpert"][-1] == "account"
    assert rows["chestxray14"][-1] == "direct+step" and rows["cbis-ddsm"][-2:] == ["by", "hand"]
    assert rows["breastmnist"][4:6] == ["560", "kB+"]
    assert "medgraft datasets get NAME" in said.out


def test_a_pattern(medgraft):
    lines = medgraft("datasets", "isic*").out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["isic2016", "isic2017", "isic2018"] and lines[4] == ""


@pytest.mark.parametrize("words", [["kvasir-seg"], ["show", "Kvasir"]])
def test_a_card(medgraft, words):
    said = medgraft("datasets", *words)
    assert said.code == 0 and said.err == ""
    for part in (
        "polyps in colonoscopy",
        "research only ? (",
        "about 46.2 MB",
        "Jha et al.",
        "(sha256)",
        "medgraft datasets get kvasir-seg",
        "Kvasir-SEG/masks/*.jpg",
        "medgraft fit data/kvasir-seg/Kvasir-SEG",
    ):
        assert part in said.out, part  # fmt: skip


def test_a_card_of_larger_pictures(medgraft):
    plain, larger = (
        medgraft("datasets", "show", "bloodmnist").out,
        medgraft("datasets", "bloodmnist", "--size", "64").out,
    )
    assert "medgraft fit data/bloodmnist/bloodmnist.npz" in plain and "64 px up to" in plain
    assert "medgraft datasets get bloodmnist --size 64" in larger
    assert "medgraft fit data/bloodmnist_64/bloodmnist_64.npz" in larger


def test_json(medgraft):
    said = medgraft("datasets", "isic*", "--json")
    assert [entry["name"] for entry in json.loads(said.out)] == ["isic2016", "isic2017", "isic2018"]
    (entry,) = json.loads(medgraft("datasets", "show", "pathmnist", "--json").out)
    assert entry["bytes"] == 206_000_000 and entry["size"] == "about 206 MB" and entry["patients"] is None
    assert [edition["pixels"] for edition in entry["editions"]] == [28, 64, 128, 224]
    file = entry["editions"][0]["files"][0]
    assert file["md5"] == "a8b06965200029087d5bd730944a56c1" and file["bytes"] is None and said.err == ""


def test_what_only_a_person_can_get(medgraft, workplace):
    said = medgraft("datasets", "get", "aptos")
    refused(
        said, "aptos2019 needs an account", "1. Make an account", "4. Rename", "medgraft fit data/aptos2019/train.csv"
    )
    assert said.out == "" and not any(workplace.iterdir())


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["kvasir-sag"], ["no data set 'kvasir-sag'", "Did you mean kvasir-seg"]),
        (["get", "isic2019"], ["no data set 'isic2019'", "Did you mean isic2018"]),
        (["get", "organmnist3d"], ["3-D sets of MedMNIST are not read"]),
        (["isik*"], ["no data set of the catalogue matches 'isik*'"]),
        (["get"], ["which one?", "medgraft datasets get NAME"]),
        (["shew", "busi"], ["one name at a time", "Did you mean show"]),
        (["get", "busi", "dsb2018"], ["one name at a time: busi dsb2018"]),
        (["get", "busi", "--size", "64"], ["busi comes in one size only"]),
        (["get", "bloodmnist", "--size", "32"], ["has no pictures of 32 pixels; it has 28, 64, 128, 224"]),
        (["busi", "--out", "there"], ["--out is the folder to fetch a set to"]),
        (["bussi", "--jsonn"], ["no option --jsonn", "Did you mean json"]),
    ],
)
def test_a_mistake_is_one_sentence(medgraft, workplace, words, parts):
    said = medgraft("datasets", *words)
    refused(said, *parts)
    assert said.out == "" and said.err.count("\n") == 1 and not any(workplace.iterdir())
