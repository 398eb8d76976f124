"""``medgraft distance``: lines for people, an object for programs, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import timm
import torch
from command_line import nothing_begun, refused
from safetensors.torch import save_file

from medgraft.transfer import anchors as room


@pytest.fixture(autouse=True)
def _few_anchors(monkeypatch):
    monkeypatch.setattr(room, "CROPS", 8)
    monkeypatch.setattr(room, "NOISE", 2)


@pytest.fixture
def discs(workplace, blobs):
    """A plain folder of 12 images."""
    return Path(shutil.copytree(blobs / "disc", workplace / "discs")).name


def _weights(name, workplace):
    """Options for one of timm's small models, with random weights whose BatchNorms have seen something."""
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
    save_file(model.state_dict(), workplace.parent / f"{name}.safetensors")
    return "--encoder", name, "--weights", workplace.parent / f"{name}.safetensors", "--size", 64


@pytest.fixture
def resnet(workplace):
    return _weights("test_resnet", workplace)


@pytest.fixture
def vit(workplace):
    """An encoder without BatchNorm."""
    return _weights("test_vit", workplace)


def test_from_the_pretraining_images(medgraft, lesions):
    said = medgraft("distance", lesions, "--size", 64, "--images", 8)
    assert said.code == 0 and said.err == ""
    lines = said.out.splitlines()
    assert lines[0] == "lesions: 8 of 20 images looked at"
    assert any(line.startswith("encoder tf_efficientnet_lite0 · ImageNet weights from") for line in lines)
    (figure,) = [line for line in lines if line.startswith("distance from the pretraining images")]
    assert figure.endswith(("near", "moderate", "far")) and " to " in figure and "n=8)" in figure
    rows = [line.split("  ")[1] for line in lines if "█" in line]
    assert {"lesions", "8 photographs, in crops", "Gaussian noise", "uniform noise"} < set(rows)
    assert rows[4:] == ["stem", *(f"blocks.{number}" for number in range(7)), "conv_head"]
    # The scale runs upwards, and its longest bar is the largest value's.
    scale = [line for line in lines if "█" in line][:4]
    values = [float(line.split("█")[0].split()[-1]) for line in scale]
    assert values == sorted(values) and max(scale, key=lambda line: line.count("█")) == scale[-1]
    word = figure.rpartition("  ")[2]
    assert lines[-1].startswith(f"{word}: ")
    assert max(map(len, lines)) <= 120


def test_as_json(medgraft, discs):
    said = medgraft("distance", discs, "--size", 64, "--json", "--seed", 3)
    found = json.loads(said.out)
    assert said.code == 0 and said.err == ""
    layers = found["layers"]
    assert layers["low"] < layers["value"] < layers["high"] and layers["n"] == 12 and len(layers["by_layer"]) == 49
    assert layers["word"] in ("near", "moderate", "far") and set(layers["by_block"]) > {"stem", "conv_head"}
    assert found["anchors"]["pictures"] == 8 and found["features"] is None and found["against"] is None
    assert (found["encoder"], found["size"], found["channels"]) == ("tf_efficientnet_lite0", 64, 3)
    assert found["data"]["name"] == "discs" and found["data"]["total"] == 12


def test_between_folders(medgraft, discs, lesions, resnet):
    said = medgraft("distance", discs, lesions, *resnet)
    assert said.code == 0 and said.err == ""
    for part in (
        "discs: all of 12 images looked at", "lesions: all of 20 images looked at",
        "distance of discs from lesions at the BatchNorms", "FID of pooled features", "two halves of discs differ by",
        "12 and 20 images are few for 96 features",
    ):  # fmt: skip
        assert part in said.out, part
    assert said.out.splitlines()[-1] == "compare it with others of the same encoder, size and number of images only"
    assert "near:" not in said.out and max(map(len, said.out.splitlines())) <= 120


def test_a_reference_is_saved_and_used(medgraft, discs, lesions, resnet, workplace):
    said = medgraft("distance", lesions, *resnet, "--save-reference", "lesions.npz")
    assert said.code == 0 and said.out.splitlines()[-1] == "statistics of lesions for --reference: lesions.npz"
    before = (workplace / "lesions.npz").read_bytes()
    said = medgraft("distance", discs, *resnet, "--reference", "lesions.npz", "--json")
    found = json.loads(said.out)
    assert found["against"]["name"] == "lesions" and found["reference"] == "lesions.npz"
    assert found["layers"]["value"] > 0 and found["features"]["value"] > 0 and "word" not in found["layers"]
    said = medgraft("distance", discs, *resnet, "--reference", "lesions.npz")
    assert "lesions: statistics of 20 images, from lesions.npz" in said.out
    assert (workplace / "lesions.npz").read_bytes() == before


def test_an_encoder_without_batch_norm(medgraft, discs, lesions, vit, workplace):
    said = medgraft("distance", discs, *vit)
    refused(said, "'test_vit' holds no statistics of its pretraining images", "medgraft distance A B")
    nothing_begun(workplace)
    said = medgraft("distance", discs, lesions, *vit)
    assert said.code == 0 and "FID of pooled features" in said.out and "BatchNorms" not in said.out
    said = medgraft("distance", lesions, *vit, "--save-reference", "vit.npz")
    assert said.code == 0 and said.out.splitlines()[-1].endswith("vit.npz") and "█" not in said.out
    refused(medgraft("distance", discs, "--reference", "vit.npz"), "with encoder test_vit", "--encoder test_vit")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["none"], ["none", "no such folder or file"]),
        (["discs", "none"], ["none", "no such folder or file"]),
        (["discs", "--images", "0"], ["images", "at least 1"]),
        (["discs", "--images", "-1"], ["images", "at least 1"]),
        (["discs", "--encoder", "resnet18x"], ["no encoder 'resnet18x'", "Did you mean"]),
        (["discs", "--size", "8"], ["size"]),
        (["discs", "discs", "--reference", "a.npz"], ["a second data set and --reference do not go together"]),
        (["discs", "--save-reference", "b.npz", "--reference", "a.npz"], ["--reference and --save-reference"]),
        (["discs", "--reference", "a.npz"], ["a.npz", "no such file", "--save-reference a.npz"]),
        (["discs", "--refrence", "a.npz"], ["no option --refrence", "reference"]),
        (["discs", "--save-reference", "discs/disc_00.png/b.npz"], ["b.npz cannot be written", "choose another place"]),
        (["discs", "--save-reference", "discs"], ["discs is a folder, and a file is wanted"]),
    ],
)
def test_what_is_refused(medgraft, discs, words, parts):
    said = medgraft("distance", *words)
    refused(said, *parts)
    assert said.out == ""
