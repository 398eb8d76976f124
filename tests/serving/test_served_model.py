"""An exported file in a process of its own that has no PyTorch, and what a served model says of images."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from tiny_models import SIZE

from medgraft.cli.main import main
from medgraft.data import LabelClasses
from medgraft.errors import DataError, RunError
from medgraft.pipeline.export import export_run
from medgraft.prediction import LabelPrediction
from medgraft.run import Run
from medgraft.serving.model import ServedModel
from medgraft.serving.model_info import ModelInfo
from medgraft.serving.occlusion import occlusion_map
from medgraft.serving.sessions import as_input

WITHOUT_TORCH = """
import importlib.abc, json, sys
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "timm", "onnx"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from medgraft.data import read_image
from medgraft.serving.model import ServedModel
model = ServedModel.load(sys.argv[1], threads=1)
answers = model.predict([read_image(path, model.info.channels) for path in sys.argv[2:]])
if model.info.task == "classification":
    said = [answer.prediction.probabilities.tolist() for answer in answers]
else:
    said = [answer.prediction.mask.tolist() for answer in answers]
heat = model.explain(read_image(sys.argv[2], model.info.channels), 1, cells=3)
print(json.dumps({"said": said, "near": [answer.familiarity for answer in answers], "heat": list(heat.shape)}))
"""


def alone(path, *images):
    """What a fresh process says, in which PyTorch cannot be imported."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(path), *map(str, images)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def labels_run(pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "labels"
    options = ("--encoder", "cbr_tiny_narrow", "--strategy", "scratch", "--size", "32", "--epochs", "2")
    # A quarter of the images for validation, as fewer than eight say nothing of what distance is usual.
    options += ("--ratios", "0.5,0.25,0.25", "--bootstrap", "100", "--precision", "fp32", "--lr", "0.01")
    assert main(["fit", str(pairs), *options, "--memory-format", "contiguous", "--out", str(folder)]) == 0
    return folder


def test_a_classifier_without_torch_says_what_the_run_says(labels_run, pairs, tmp_path):
    exported = export_run(labels_run, out=tmp_path / "model.onnx", check=False)
    images = sorted((pairs / "disc").iterdir())[:3]
    found = alone(exported.path, *images)
    run = Run(labels_run)
    for path, probabilities in zip(images, found["said"], strict=True):
        assert probabilities == pytest.approx(run.predict(path).probabilities.tolist(), abs=1e-5)
    assert all(0 <= near <= 1 for near in found["near"])
    assert found["heat"] == [32, 32]


def test_masks_without_torch_are_those_of_the_run(ellipses, tmp_path):
    folder = tmp_path / "masks"
    options = ("--model", "unet", "--strategy", "scratch", "--widths", "4,8", "--size", "32", "--epochs", "2")
    options += ("--precision", "fp32", "--memory-format", "contiguous", "--bootstrap", "100", "--lr", "0.01")
    assert main(["fit", str(ellipses), *options, "--out", str(folder)]) == 0
    exported = export_run(folder, check=False)
    assert exported.path == folder / "export" / "model.onnx"
    image = sorted((ellipses / "images").iterdir())[0]
    found = alone(exported.path, image)
    expected = Run(folder).predict(image).mask
    assert np.array(found["said"][0]).shape == expected.shape == (48, 64)
    assert (np.array(found["said"][0]) == expected).mean() > 0.999
    assert found["near"] == [None]


def test_16_bit_pixels_keep_their_digits(labels_run, tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (40, 40, 3)).astype(np.uint16)
    exported = export_run(labels_run, out=tmp_path / "model.onnx", check=False)
    found = ServedModel.load(exported.path, threads=1).predict([deep])[0].prediction
    assert found.probabilities == pytest.approx(Run(labels_run).predict(deep).probabilities, abs=1e-5)
    assert as_input(np.array([0, 257, 65535], np.uint16), np.dtype(np.uint8)).tolist() == [0, 1, 255]


def test_a_graph_that_resizes_takes_images_of_different_sizes_at_once(labels_run, tmp_path):
    exported = export_run(labels_run, out=tmp_path / "model.onnx", resize="inside", dtype="uint8", check=False)
    served = ServedModel.load(exported.path, threads=1)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in ((64, 64), (80, 50), (80, 50), (32, 32))]
    for image, answer in zip(images, served.predict(images), strict=True):
        expected = Run(labels_run).predict(image).probabilities
        assert answer.prediction.probabilities == pytest.approx(expected, abs=1e-4)
    assert served.explain(images[1], 0, cells=3).shape == (32, 32)


def grey(value, height=20, width=30, channels=3):
    return np.full((height, width, channels), value, np.uint8)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_answers_come_in_the_order_of_the_images_whatever_the_batch(tiny_files, threads):
    served = ServedModel.load(tiny_files[0], threads=threads)
    values = [int(v) for v in np.random.default_rng(0).integers(0, 256, 41)]
    answers = served.predict([grey(value) for value in values])
    found = [float(answer.prediction.probabilities[1]) for answer in answers]
    assert found == pytest.approx([value / 255 for value in values], abs=1e-5)
    assert served.predict([]) == []


def test_thresholds(tiny_models):
    labels, masks, _ = tiny_models
    image = grey(153)  # 0.6
    assert labels.predict([image])[0].prediction.label == "bright"
    assert labels.predict([image], threshold=0.7)[0].prediction.label == "dark"
    flat = grey(51, channels=1)  # 0.2, below this model's own threshold of 0.25
    assert masks.predict([flat])[0].prediction.mask.max() == 0
    assert masks.predict([flat], threshold=0.1)[0].prediction.mask.min() == 255
    assert masks.predict([flat])[0].prediction.mask.shape == (20, 30)


def test_familiarity_is_a_rank_among_held_out_images(tiny_models):
    labels, masks, _ = tiny_models
    # The distance is the brightness, and those of the held-out images are 0.1, 0.2, ... 1.
    assert [a.familiarity for a in labels.predict([grey(0), grey(128), grey(255)])] == [0, 0.5, 1]
    assert masks.predict([grey(0, channels=1)])[0].familiarity is None


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_arrays_that_are_no_images_are_refused(tiny_models, image):
    with pytest.raises(DataError):
        tiny_models[0].predict([image])


def test_occlusion_by_hand():
    """The score is the top left pixel; of 2 x 2 cells one patch covers all, so the fall is the same everywhere."""
    image = np.zeros((4, 4, 1), np.uint8)
    image[0, 0] = 160  # the mean is 10
    heat = occlusion_map(image, lambda batch: batch[:, 0, 0, 0].astype(np.float32), cells=2)
    assert heat == pytest.approx(np.full((4, 4), 150.0))
    # Of 4 x 4 cells only the patch in the corner covers it; its four cells lie under 1, 2, 2 and 4 patches.
    heat = occlusion_map(image, lambda batch: batch[:, 0, 0, 0].astype(np.float32), cells=4, batch=2)
    assert heat[:2, :2] == pytest.approx(np.array([[150, 75], [75, 37.5]]))
    assert not heat[2:].any() and not heat[:, 2:].any()


def test_the_bright_part_speaks_for_brightness(tiny_models):
    labels, _, colours = tiny_models
    image = grey(20, SIZE, SIZE)
    image[4:12, 20:28] = 250
    heat = labels.explain(image, 1)
    assert heat.dtype == np.float32 and heat.shape == (SIZE, SIZE)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 4 <= row < 12 and 20 <= column < 28
    assert labels.explain(image, 0) == pytest.approx(-heat, abs=1e-4)
    image[...] = (200, 0, 0)
    image[20:26, 4:10] = (0, 200, 0)
    heat = colours.explain(cv2.resize(image, (60, 50)), 1)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 19 <= row < 27 and 3 <= column < 11
    with pytest.raises(DataError, match="no class 3"):
        colours.explain(image, 3)


def test_files_that_are_no_exported_models_are_refused(tiny_files, tmp_path):
    import onnx

    with pytest.raises(RunError, match="no exported model there"):
        ServedModel.load(tmp_path / "none.onnx")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(tiny_files[0].read_bytes()[:300])
    with pytest.raises(RunError, match="cannot be read as ONNX"):
        ServedModel.load(cut)
    cut.write_bytes(b"")
    with pytest.raises(RunError):
        ServedModel.load(cut)
    stranger = onnx.load(tiny_files[0])
    text = stranger.metadata_props[0].value
    del stranger.metadata_props[:]
    onnx.save(stranger, tmp_path / "stranger.onnx")
    with pytest.raises(RunError, match="did not export"):
        ServedModel.load(tmp_path / "stranger.onnx")
    for changed, match in (
        ("[]", "cannot be read"),
        ("{", "cannot be read"),
        (json.dumps(json.loads(text) | {"classes": {}}), "cannot be read"),
        (json.dumps(json.loads(text) | {"format": 99}), "newer version"),
    ):
        onnx.helper.set_model_props(stranger, {"medgraft": changed})
        onnx.save(stranger, tmp_path / "stranger.onnx")
        with pytest.raises(RunError, match=match):
            ServedModel.load(tmp_path / "stranger.onnx")


def test_what_a_file_says_of_itself_comes_back(tiny_models):
    info = tiny_models[0].info
    assert ModelInfo.from_json(info.to_json(), "here") == info
    other = replace(info, classes=LabelClasses(("a", "b"), multilabel=True), familiarity=None, encoder="resnet18")
    assert ModelInfo.from_json(other.to_json(), "here") == other
    assert other.class_names == ("a", "b")
    assert isinstance(tiny_models[0].predict([grey(1)])[0].prediction, LabelPrediction)


def test_openvino_reads_its_own_form(labels_run, tmp_path):
    plain = ServedModel.load(export_run(labels_run, out=tmp_path / "model.onnx", check=False).path, threads=1)
    images = [np.random.default_rng(seed).integers(0, 256, (50, 40, 3), dtype=np.uint8) for seed in range(5)]
    expected = [answer.prediction.probabilities for answer in plain.predict(images)]
    for precision, tolerance in (("fp32", 1e-5), ("bf16", 0.05)):
        out = tmp_path / f"{precision}.xml"
        export_run(labels_run, form="openvino", precision=precision, out=out, check=False)
        served = ServedModel.load(out, threads=2)
        unranked = {"precision": precision, "familiarity": None}
        assert replace(served.info, familiarity=None) == replace(plain.info, **unranked)
        batch = np.stack([plain.prepared(image) for image in images])
        # In bf16 a distance of its own would be a multiple of 1/256.
        assert served.run(batch)["distance"] == pytest.approx(plain.run(batch)["distance"], abs=5e-4)
        found = [answer.prediction.probabilities for answer in served.predict(images)]
        assert np.abs(np.array(found) - expected).max() < tolerance
    shutil.copy(tmp_path / "fp32.xml", tmp_path / "alone.xml")
    with pytest.raises(RunError, match=r"alone\.bin"):
        ServedModel.load(tmp_path / "alone.xml")
