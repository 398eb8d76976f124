"""Medical sources: what is listed can be built, its file is found, and what goes wrong can be mended."""

from __future__ import annotations

import pickle
import socket
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from huggingface_hub import constants
from published_forms import PUBLISHED
from safetensors.torch import save_file

from medgraft.errors import RecipeError, WeightsError
from medgraft.models import find_weights
from medgraft.models.features import create_feature_encoder
from medgraft.models.sources import find_source, list_sources
from medgraft.models.sources.obtain import kept_file
from medgraft.models.sources.source import MedicalSource, register_sources
from medgraft.models.sources.translate import FORMS, translate

USABLE = [source for source in list_sources() if source.status != "listed only"]


@pytest.fixture(autouse=True)
def _nothing_kept_and_no_network(monkeypatch, tmp_path):
    def refuse(*_args, **_kwargs):
        raise OSError("no network in tests")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


# The list


def test_every_form_has_a_published_example_here():
    assert set(PUBLISHED) == set(FORMS)


@pytest.mark.parametrize("source", USABLE, ids=lambda source: source.name)
def test_a_file_of_the_published_form_fills_the_encoder(source):
    """Shapes only (on torch's meta device), so that encoders of a billion parameters are tested too."""
    with torch.device("meta"):
        model = timm.create_model(source.encoder, pretrained=False, in_chans=source.channels, num_classes=0)
        wanted = model.state_dict()
        found = translate(source.form, PUBLISHED[source.form](wanted), source.name)
    assert {key: found[key].shape for key in wanted if not key.endswith("num_batches_tracked")} == {
        key: tensor.shape for key, tensor in wanted.items() if not key.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize(
    ("encoder", "millions"),
    [  # as their publishers give them
        ("vit_large_patch16_uni", 303),
        ("vit_giant_patch14_reg8_uni2", 681),
        ("vit_giant_patch16_gigapath", 1134.953984),
        ("vit_huge_patch14_virchow", 631),
        ("swin_tiny_ctranspath", 27.5),
    ],
)
def test_the_architectures_have_the_published_number_of_parameters(encoder, millions):
    with torch.device("meta"):
        model = timm.create_model(encoder, pretrained=False, num_classes=0)
    counted = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert counted == pytest.approx(millions, abs=1e-6 if millions != int(millions) and millions > 1000 else 0.5)


def test_what_the_issue_asks_for_is_listed():
    names = {source.name for source in list_sources()}
    wanted = ["all", "nih", "pc", "chex", "mimic_nb", "mimic_ch", "rsna"]
    assert {f"torchxrayvision-{name}" for name in wanted} <= names
    assert {f"radimagenet-{name}" for name in ("resnet50", "densenet121", "inception_v3")} <= names
    assert {"uni", "ctranspath", "phikon", "prov-gigapath", "h-optimus-0", "virchow"} <= names
    assert {"biomedclip", "biovil", "medclip-resnet50", "medclip-vit", "rad-dino"} <= names


def test_every_entry_says_what_a_user_must_know():
    for source in list_sources():
        assert source.licence and source.get and source.data and source.modality, source.name
        assert source.page.startswith("https://"), source.name
        assert not source.gated or "ask for access" in source.get, source.name
        assert set(source.unverified) <= {*source.to_dict()}, source.name
        assert source.status == "loads" or source.convert or source.note, source.name
        assert source.form in FORMS and timm.is_model(source.encoder), source.name


def test_patterns_and_names():
    assert [source.name for source in list_sources("medclip-*")] == ["medclip-resnet50", "medclip-vit"]
    assert find_source("uni").encoder == "vit_large_patch16_uni"
    with pytest.raises(RecipeError, match=r"no medical source 'rad-dyno'.*Did you mean rad-dino"):
        find_source("rad-dyno")
    with pytest.raises(RecipeError, match=r"no medical source matches 'lunit'.*'\*lunit\*' would match 5"):
        list_sources("lunit")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "uni"}, "registered already"),
        ({"mean": (0.5, 0.5), "std": (1.0, 1.0)}, "1 or 3 values"),
        ({"std": (0.0,)}, "std above 0"),
        ({"status": "convert first"}, "at odds with convert"),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused(change, words):
    texts = ("name", "encoder", "domain", "modality", "data", "licence", "paper", "page", "form", "get")
    entry = dict.fromkeys(texts, "x") | {"mean": (0.5,), "std": (0.5,), "size": 224} | change
    before = list_sources()
    with pytest.raises(ValueError, match=words):
        register_sources([MedicalSource(**entry)])
    assert list_sources() == before


# Reading


def test_a_checkpoint_of_several_graphics_cards_and_a_wrapper_are_read():
    state = {f"module.visual.trunk.{key}": torch.ones(1) for key in ("cls_token", "blocks.0.attn.qkv.weight")}
    assert set(translate("open_clip", state, "file")) == {"cls_token", "blocks.0.attn.qkv.weight"}


def test_a_file_that_has_timms_names_already_stays_as_it_is():
    """RAD-DINO is published in both forms."""
    state = {"blocks.0.attn.qkv.weight": torch.ones(1), "mask_token": torch.ones(1)}
    assert translate("transformers vit", state, "file") == state


# Where the file is found


def _dummy(path, source="biovil"):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(PUBLISHED[find_source(source).form]({"conv1.weight": torch.ones(2)}), path)
    return path


def test_a_file_that_was_put_into_the_cache_is_found(tmp_path):
    source = find_source("biovil")
    assert kept_file(source) is None
    path = _dummy(tmp_path / "cache" / "weights" / "biovil.pt")
    assert kept_file(source) == path
    weights = find_weights("resnet50", "medical:biovil")
    assert weights.source.endswith("file biovil.pt") and torch.equal(weights.state["conv1.weight"], torch.ones(2))
    save_file({"encoder.encoder.bn1.bias": torch.zeros(1)}, path.with_suffix(".safetensors"))
    assert set(find_weights("resnet50", "medical:biovil").state) == {"bn1.bias"}  # the safer form goes first


def test_a_file_in_the_hubs_cache_is_found(tmp_path):
    place = tmp_path / "hub" / "models--microsoft--BiomedVLP-BioViL-T"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("abc")
    _dummy(place / "snapshots" / "abc" / "biovil_t_image_model_proj_size_128.pt")
    assert find_weights("resnet50", "medical:biovil-t").state.keys() == {"conv1.weight"}


def test_a_file_that_torch_hub_downloaded_is_found(tmp_path):
    name = find_source("torchxrayvision-resnet50").url.rpartition("/")[2]
    path = _dummy(tmp_path / "torch" / "hub" / "checkpoints" / name, "torchxrayvision-resnet50")
    assert kept_file(find_source("torchxrayvision-resnet50")) == path


def test_a_downloaded_pickle_does_not_count_as_at_hand(tmp_path):
    source = find_source("torchxrayvision-chex")
    place = tmp_path / "torch" / "hub" / "checkpoints" / source.url.rpartition("/")[2]
    place.parent.mkdir(parents=True)
    place.write_bytes(b"a pickled model")
    assert kept_file(source) is None


def test_a_home_folder_in_the_path_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    _dummy(tmp_path / "mine@home.pt")
    assert find_weights("resnet50", "medical:biovil@~/mine@home.pt").source.endswith("file mine@home.pt")


def test_what_is_not_at_hand_is_downloaded(tmp_path, monkeypatch):
    asked = []

    def give(repository, names):
        asked.append((repository, names))
        return _dummy(tmp_path / "given.pt")

    monkeypatch.setattr("medgraft.models.sources.obtain.download", give)
    find_weights("resnet50", "medical:biovil")
    assert asked == [
        ("microsoft/BiomedVLP-CXR-BERT-specialized", ("biovil_image_resnet50_proj_size_128.pt",)),
    ]


# What can be mended


@pytest.mark.parametrize(
    ("encoder", "name", "words"),
    [
        ("resnet50", "biovil", ["the network cannot be reached", "medical:biovil@FILE", "weights/biovil.safetensors"]),
        ("vit_large_patch16_uni", "uni", ["ask for access at https://huggingface.co/MahmoodLab/UNI", "hf auth login"]),
        ("densenet121", "torchxrayvision-pc", ["pip install torchxrayvision", "densenet121-res224-pc", "torch.save("]),
        ("resnet50", "medclip-resnet50", ["unpack https://", "medclip-pretrained.zip"]),
    ],
)
def test_without_the_file_the_message_says_how_to_get_it(encoder, name, words):
    with pytest.raises(WeightsError) as error:
        find_weights(encoder, f"medical:{name}")
    message = str(error.value)
    assert message.startswith(f"the weights medical:{name} are not at hand, and ")
    for part in words:
        assert part in message, message


def test_another_encoder_is_told_which_one_to_choose():
    with pytest.raises(WeightsError, match=r"holds weights of densenet121, not of resnet50.*--encoder densenet121"):
        find_weights("resnet50.a1_in1k", "medical:torchxrayvision-nih")


def test_what_is_only_listed_says_why():
    with pytest.raises(WeightsError, match=r"listed only.*attention pooling"):
        find_weights("vit_base_patch16_224", "medical:conch")


def test_a_name_without_its_prefix_is_recognised(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="--weights medical:rad-dino"):
        find_weights("vit_base_patch14_dinov2", "rad-dino")


class _Stranger:
    def __reduce__(self):
        return (print, ("run by a stranger's file",))


def test_a_pickled_model_is_not_run_and_the_way_out_is_shown(tmp_path, capsys):
    (tmp_path / "published.pt").write_bytes(pickle.dumps(_Stranger()))
    with pytest.raises(WeightsError) as error:
        find_weights("densenet121", f"medical:torchxrayvision-all@{tmp_path / 'published.pt'}")
    assert "stranger's" not in capsys.readouterr().out
    assert "holds Python objects" in str(error.value) and "torchxrayvision.models.DenseNet" in str(error.value)


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save({"encoder.weight": torch.ones(1)}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=r"other.pt: not the published file.*first tensor is 'encoder.weight'"):
        find_weights("vit_base_patch16_224", f"medical:biomedclip@{tmp_path / 'other.pt'}")


def test_a_file_of_another_architecture_is_refused_when_it_is_loaded(tmp_path):
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "small.pt")
    weights = find_weights("resnet50", f"medical:torchxrayvision-resnet50@{tmp_path / 'small.pt'}")
    with pytest.raises(WeightsError, match="do not fit encoder resnet50"):
        create_feature_encoder("resnet50", in_channels=1, weights=weights)


def test_the_reference_page_has_every_source_with_its_encoder_and_licence():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "encoders.md").read_text(encoding="utf-8")
    for source in list_sources():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{source.name}` |")]
        assert f"| `{source.encoder}` |" in row and source.data in row and source.licence in row
        assert ("on request" in row) == source.gated
        assert f"| {source.channels}, {source.size} |" in row
    how_to = (Path(__file__).parents[2] / "docs" / "how-to" / "weights.md").read_text(encoding="utf-8")
    assert f"Medgraft knows {len(list_sources())} sets of weights" in how_to
