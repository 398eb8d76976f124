"""``medgraft encoders``: tables for people, lists of objects for programs."""

from __future__ import annotations

import json

import pytest
from command_line import refused
from huggingface_hub import constants

from medgraft.cli.encoders import table
from medgraft.models.sources import list_sources
from medgraft.models.tested import TESTED_ENCODERS


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def test_the_tested_encoders_in_a_table(medgraft):
    said = medgraft("encoders")
    assert said.code == 0 and said.err == ""
    lines = said.out.splitlines()
    assert max(map(len, lines)) <= 120
    titles = ["encoder", "family", "params", "px", "top-1", "year", "weights", "licence", "here"]
    assert lines[0].split() == titles
    rows = [line.split() for line in lines[1 : lines.index("")]]
    assert [row[0] for row in rows] == list(TESTED_ENCODERS)
    by_name = {row[0]: row[1:] for row in rows}
    # Of the same architecture, not of these weights (*); of these very weights; nobody says.
    assert by_name["resnet18"] == ["ResNet", "11.7M", "224", "69.8*", "2015", "timm", "a1_in1k", "apache-2.0", "no"]
    assert by_name["vgg16"][2:5] == ["224", "71.6", "2014"]
    assert by_name["tf_efficientnet_lite0"][1:] == ["4.7M", "224", "-", "2020", "package", "apache-2.0", "yes"]
    assert by_name["cbr_tiny"] == ["CBR", "4.3M", "-", "-", "2019", "-", "-", "no"]
    assert "* reached by torchvision's weights" in said.out and "medgraft encoders --medical" in said.out


def test_a_pattern(medgraft):
    rows = medgraft("encoders", "cbr_*").out.splitlines()
    assert [row.split()[0] for row in rows[1:6]] == [
        "cbr_larget", "cbr_largew", "cbr_small", "cbr_tiny", "cbr_tiny_narrow"
    ]  # fmt: skip
    assert "* reached by" not in "".join(rows)


def test_all_is_every_name(medgraft, monkeypatch):
    asked = []
    monkeypatch.setattr("medgraft.models.encoder_facts.list_encoders", lambda pattern: asked.append(pattern) or [])
    assert medgraft("encoders", "--all", "--json").out == "[]\n"
    assert asked == ["*"]


def test_json(medgraft):
    said = medgraft("encoders", "resnet18", "--json")
    (fact,) = json.loads(said.out)
    assert said.err == ""
    assert fact["parameters"] == 11_689_512 and fact["top1"] == 69.758 and fact["top1_same"] is False
    assert fact["weights"] == "hf-hub:timm/resnet18.a1_in1k" and fact["paper"] == "arXiv:1512.03385"


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["resnet5o"], ["no encoder in timm", "'resnet5o'", "Did you mean resnet50"]),
        (["resnet"], ["'*resnet*' would match"]),
        (["--medical", "unii"], ["no medical source matches 'unii'", "Did you mean uni"]),
        (["--medikal"], ["no option --medikal", "Did you mean medical"]),
    ],
)
def test_what_matches_nothing_is_one_sentence(medgraft, words, parts):
    said = medgraft("encoders", *words)
    refused(said, *parts)
    assert said.out == "" and said.err.count("\n") == 1


def test_the_medical_sources_in_a_table(medgraft):
    said = medgraft("encoders", "--medical")
    lines = said.out.splitlines()
    rows = lines[1 : lines.index("")]
    assert [row.split()[0] for row in rows] == [source.name for source in list_sources()]
    chex = next(row for row in rows if row.startswith("torchxrayvision-chex"))
    assert "densenet121" in chex and "CheXpert" in chex and "Apache-2.0?" in chex and chex.endswith("convert  no")
    uni = next(row for row in rows if row.startswith("uni "))
    assert "CC-BY-NC-ND-4.0 " in uni and uni.endswith("yes      no")
    assert next(row for row in rows if row.startswith("conch")).endswith("no       no")


def test_one_medical_source_in_full(medgraft):
    said = medgraft("encoders", "--medical", "torchxrayvision-chex").out
    for part in (
        "densenet121", "X-ray, 1 channel, 224 pixels", "arXiv:2111.00595", "mean 0.5, standard deviation 0.000488281",
        "unverified     licence", "torchxrayvision.models.DenseNet(", "torch.save(model.state_dict()",
        "medgraft fit DATA --encoder densenet121 --weights medical:torchxrayvision-chex[@FILE]",
    ):  # fmt: skip
        assert part in said, part
    gated = medgraft("encoders", "--medical", "h-optimus-0").out
    assert "ask for access at https://huggingface.co/bioptimus/H-optimus-0" in gated
    assert "mean 0.707223 0.578729 0.703617" in gated and "paper          -" in gated


def test_medical_sources_as_json(medgraft, tmp_path):
    kept = tmp_path / "cache" / "weights" / "biovil.safetensors"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"")
    found = {source["name"]: source for source in json.loads(medgraft("encoders", "--medical", "--json").out)}
    assert found["biovil"]["offline"] is True and found["biovil-t"]["offline"] is False
    assert found["uni"]["gated"] is True and found["torchxrayvision-nih"]["channels"] == 1
    assert found["rad-dino"]["mean"] == [0.5307] * 3


def test_on_a_narrow_terminal_cells_are_folded_and_nothing_is_lost(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    text = table(("encoder", ">params", "licence"), [["a_name_on_one_line", "3.5M", "non-commercial, for research"]])
    assert max(map(len, text.splitlines())) <= 40
    assert "a_name_on_one_line" in text
    assert "".join(line[28:].strip() for line in text.splitlines()[1:]) == "non-commercial, forresearch"
