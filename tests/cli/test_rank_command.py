"""``medgraft rank``: the table, what is said of it, JSON, and what is refused."""

from __future__ import annotations

import json

import pytest
import timm
import torch
from command_line import nothing_begun, refused
from safetensors.torch import save_file

from medgraft.cli.rank import sentences

QUICK = ("--size", "64", "--bootstrap", "100")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An encoder with its weights, as it is named on the command line."""
    torch.manual_seed(5)
    file = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), file)
    return f"test_resnet={file}"


def test_the_table_leads_with_the_probe_and_says_what_it_means(medgraft, pairs, small):
    said = medgraft("rank", pairs, "--encoder", small, "tf_efficientnet_lite0", "resnet50", *QUICK)
    assert said.code == 0 and said.err == ""
    lines = said.out.splitlines()
    assert lines[0].startswith("pairs: 32 images · 2 classes: cross 16, disc 16")
    assert lines[1] == "measured on 22 training images; no patient is known, so each counts as one"
    title = next(line for line in lines if line.startswith("encoder"))
    assert title.split("  ")[0] == "encoder" and "probe (AUC)" in title and title.endswith("H-score")
    rows = lines[lines.index(title) + 1 :][:2]
    assert all(" to " in row for row in rows) and sum("  first  " in row for row in rows) == 1
    assert "skipped: resnet50: no pretrained weights for resnet50 at hand" in said.out
    plain = " ".join(said.out.split())
    assert "no single score ranks encoders reliably on medical images" in plain and "arXiv:2308.07444" in plain


def test_patients_of_one_image_each_are_known_all_the_same(medgraft, pairs, small, tmp_path):
    files = sorted(pairs.glob("*/*.png"))
    rows = "".join(f"{file},{file.parent.name},p{number}\n" for number, file in enumerate(files))
    (tmp_path / "each.csv").write_text(f"file,label,patient\n{rows}")
    said = medgraft("rank", tmp_path / "each.csv", "--encoder", small, *QUICK)
    assert "measured on 22 training images of 22 patients (groups), each kept whole" in said.out


def test_json_has_every_figure(medgraft, pairs, small):
    said = medgraft("rank", pairs, "--encoder", small, *QUICK, "--json")
    found = json.loads(said.out)
    (encoder,) = found["encoders"]
    assert found["task"] == "classification" and found["images"] == found["groups"] == 22
    assert encoder["encoder"] == small and encoder["behind"] is None
    assert {"probe", "random", "gain", "knn", "logme", "nleep", "hscore", "curve", "doubling"} <= set(encoder)
    assert encoder["gain"]["value"] == pytest.approx(encoder["probe"]["value"] - encoder["random"]["value"])


def test_masks_are_ranked_too(medgraft, ellipses, small):
    said = medgraft("rank", ellipses, "--encoder", small, *QUICK)
    assert said.code == 0
    assert "measured on 14 training images (cells of their feature maps); no patient is known" in said.out


def test_an_only_encoder_without_weights_is_refused_before_an_image_is_decoded(medgraft, workplace, pairs):
    refused(medgraft("rank", pairs, "--encoder", "resnet50", *QUICK), "no pretrained weights for resnet50 at hand")
    refused(medgraft("rank", pairs, "--encoder", "resnet5", *QUICK), "resnet5")
    refused(medgraft("rank", pairs, "--encoder", "tf_efficientnet_lite0=none.pth", *QUICK), "none.pth")
    refused(medgraft("rank", workplace / "nowhere", *QUICK), "nowhere")
    nothing_begun(workplace)


class _Gain:
    def __init__(self, low):
        self.value, self.low = 0.02, low

    def brief(self):
        return "0.020"


class _One:
    """What the sentences look at."""

    def __init__(self, name, level, low=0.01, more="flat"):
        self.name, self.level = name, level
        self.result = self
        self.gain = _Gain(low)
        self.probe, self.random = _Gain(0), _Gain(0)
        self.doubling, self.more_data = _Gain(0), more
        self.curve = [type("Point", (), {"groups": groups})() for groups in (40.0, 80.0)]


class _Ranking:
    def __init__(self, *encoders):
        self.encoders, self.images, self.groups, self.known = encoders, 100, 80, True


@pytest.mark.parametrize(
    ("ranking", "words"),
    [
        (_Ranking(_One("a", True), _One("b", True), _One("c", False)), "do not tell b from a"),
        (_Ranking(_One("a", True), _One("b", False)), "a is ahead of all others"),
        (_Ranking(_One("a", True)), "Reuse is worth 0.020 AUC to a"),
        (_Ranking(_One("a", True, low=-0.01)), "are not shown to be better than random ones"),
        (
            _Ranking(_One("a", True, more="helps")),
            "From 40 to 80 patients the probe of a gained 0.020: more data still",
        ),
        (_Ranking(_One("a", True, more="unclear")), "whether more data helps cannot be told"),
    ],
)
def test_what_is_said_follows_the_figures(ranking, words):
    assert words in " ".join(sentences(ranking))
