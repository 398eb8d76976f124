"""Classifiers from folder to scores, on drawn shapes: what is learnt, stored, written, resumed and compared."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from medgraft import Run, fit
from medgraft.data import scale
from medgraft.errors import RecipeError
from medgraft.pipeline import probing
from medgraft.progress import Observer
from medgraft.transfer import Strategy

pytestmark = pytest.mark.usefixtures("no_reports")

QUICK = {"size": 64, "bootstrap": 100, "engine": "torch", "precision": "fp32", "memory_format": "contiguous"}


class Heard(Observer):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def _fit(data, out, **options):
    heard = Heard()
    return fit(data, out=out, observer=heard, **(QUICK | options)), heard.lines


@pytest.fixture(scope="module")
def frozen(blobs, tmp_path_factory):
    return _fit(blobs, tmp_path_factory.mktemp("runs") / "frozen")


def test_a_frozen_encoder_has_its_head_solved_on_stored_features(frozen):
    run, lines = frozen
    said = "\n".join(lines)
    assert "36 images · 3 classes: cross 12, disc 12, square 12" in said
    assert "features of 36 images extracted once" in said and "linear head solved by L-BFGS: 11 penalties" in said
    assert run.model_info["task"] == "classification" and run.model_info["trainable"] == 1280 * 3 + 3
    assert run.recipe.size == 64 and run.recipe.loss == "bce" and run.recipe.model == "classifier"
    assert run.environment["features"] | {"seconds": 0} == {
        "images": 36, "views": 1, "engine": "torch", "seconds": 0, "megabytes": 0.2, "stop": 9,
    }  # fmt: skip
    assert [line["chosen"] for line in run.history].count(True) == 1


def test_what_is_kept_is_an_ordinary_classifier(frozen, blobs):
    run, _ = frozen
    rows = run.predictions
    predictor = run.label_predictor
    for row in rows[rows["split"] == "test"].to_dict("records"):
        prediction = run.predict(row["image"])
        # predictions.csv came from stored features, this from the pixels through the whole model.
        np.testing.assert_allclose(
            prediction.probabilities, [row[f"p_{name}"] for name in ("cross", "disc", "square")], atol=2e-4
        )
        assert prediction.label == row["predicted"]
        assert row["correct"] == float(row["predicted"] == row["target"])
    assert predictor.classes.names == ("cross", "disc", "square")
    np.testing.assert_allclose(rows.filter(like="p_").sum(axis=1), 1, atol=1e-5)


def test_logits_from_stored_features_equal_those_from_images_on_any_engine(blobs, tmp_path):
    for engine, allowed in (("torch", 1e-5), ("onnxruntime", 1e-4), ("openvino", 1e-4)):
        run, _ = _fit(blobs, tmp_path / engine, engine=engine)
        model = run.label_predictor.model
        images = np.stack([_pixels(file) for file in run.predictions["image"]])
        with torch.no_grad():
            logits = model(scale(torch.from_numpy(images).permute(0, 3, 1, 2)))
        stored = np.log(run.predictions.filter(like="p_").to_numpy())
        difference = (stored - stored.mean(1, keepdims=True)) - (logits - logits.mean(1, keepdim=True)).numpy()
        assert np.abs(difference).max() <= allowed * float(logits.abs().max()), engine
        assert run.environment["features"]["engine"] == engine


def _pixels(file):
    from medgraft.data import read_image, resize_image

    return resize_image(read_image(file, 3), 64)


def test_the_encoder_of_a_frozen_run_is_bit_for_bit_the_pretrained_one(frozen):
    from medgraft.models import create_feature_encoder, find_weights

    run, _ = frozen
    wanted = create_feature_encoder("tf_efficientnet_lite0", 3, find_weights("tf_efficientnet_lite0")).state_dict()
    found = run.label_predictor.model.encoder.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_the_shapes_are_told_apart(frozen):
    run, lines = frozen
    assert run.scores.test["accuracy"].value > 0.6
    assert lines[-2].startswith("test   AUC ") and lines[-2].endswith(f"n = {run.scores.test['auc'].n}")
    assert lines[-1] == str(run.folder / "report.html")


@pytest.mark.parametrize("options", [
    {"strategy": "partial", "blocks": 2, "views": 1},
    {"strategy": "partial", "blocks": 2, "views": 2},
    {"strategy": "gradual", "unfreeze_every": 1},
    {"strategy": "lp_ft"},
    {"strategy": "frozen", "solver": "adamw"},
    {"strategy": "full", "imbalance": "weighted_sampling"},
], ids=lambda options: "-".join(map(str, options.values())))  # fmt: skip
def test_killed_and_resumed_equals_unbroken(pairs, tmp_path, options):
    options = {"encoder": "mobilenetv2_100", "epochs": 3, "batch_size": 6, "patience": 0} | options
    whole, _ = _fit(pairs, tmp_path / "whole", **options)

    class Killed(Observer):
        def epoch(self, record):
            if record["epoch"] == 2:
                raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        fit(pairs, out=tmp_path / "broken", observer=Killed(), **(QUICK | options))
    # A head alone is trained within seconds: nothing is kept on the way, and it begins anew.
    assert len(Run(tmp_path / "broken").history) == (0 if options["strategy"] == "frozen" else 2)
    broken, _ = _fit(pairs, tmp_path / "broken", resume=True, **options)
    for name in ("model.safetensors", "predictions.csv", "scores.json", "split.csv"):
        assert (whole.folder / name).read_bytes() == (broken.folder / name).read_bytes(), name
    timeless = [{k: v for k, v in line.items() if k not in ("seconds", "time")} for line in broken.history]
    assert timeless == [{k: v for k, v in line.items() if k not in ("seconds", "time")} for line in whole.history]


def test_the_rates_in_the_history_are_the_summarys(pairs, tmp_path):
    run, _ = _fit(pairs, tmp_path / "run", strategy="full", epochs=2, warmup=0, patience=0, batch_size=30,
                  encoder="mobilenetv2_100")  # fmt: skip
    rates = {row["part"]: row["lr"] for row in run.model_info["summary"] if row["trainable"]}
    # One step an epoch: the factors of warm-up and cosine are 1 and 1/2 (1 + cos 0) = 1 for the second.
    for line in run.history:
        factors = {part: line["lr"][part] / rate for part, rate in rates.items()}
        assert len(set(np.round(list(factors.values()), 9))) == 1, factors
    assert run.history[0]["lr"] == pytest.approx(rates)
    assert rates["head"] == 1e-3 and rates[max(rates, key=lambda part: rates[part] if part != "head" else 0)] == 1e-4


def test_lp_ft_begins_from_the_solved_head(pairs, tmp_path):
    options = {"encoder": "mobilenetv2_100", "epochs": 1, "lr": 1e-9, "encoder_lr": 1e-9, "batch_norm": "frozen"}
    probe, _ = _fit(pairs, tmp_path / "probe", encoder="mobilenetv2_100")
    tuned, lines = _fit(pairs, tmp_path / "tuned", strategy="lp_ft", **options)
    # At a rate of nearly 0 the fine-tuned model is still the probe.
    one, other = (run.label_predictor.model.final for run in (probe, tuned))
    torch.testing.assert_close(one.weight, other.weight, rtol=1e-3, atol=1e-6)
    assert tuned.history[0]["stage"] == "head and encoder" and any("L-BFGS" in line for line in lines)
    assert Strategy.from_recipe(tuned.recipe).probe == 5


def test_adapted_statistics_are_those_of_the_training_images_and_stay(pairs, tmp_path):
    options = {"encoder": "mobilenetv2_100", "batch_norm": "adapt"}
    adapted, _ = _fit(pairs, tmp_path / "adapted", **options)
    plain, _ = _fit(pairs, tmp_path / "plain", encoder="mobilenetv2_100")
    name = "encoder.blocks.0.bn1.running_mean"
    moved, kept = (run.label_predictor.model.state_dict()[name] for run in (adapted, plain))
    assert not torch.equal(moved, kept)
    encoder = adapted.label_predictor.model.encoder
    train = pd.read_csv(adapted.folder / "split.csv").query("split == 'train'")["id"]
    files = [next(pairs.rglob(f"{image}.png")) for image in train]
    images = scale(torch.from_numpy(np.stack([_pixels(file) for file in files])).permute(0, 3, 1, 2))
    with torch.no_grad():
        first = encoder.blocks[0][0](encoder.normalise(images))
    torch.testing.assert_close(moved, first.mean((0, 2, 3)), rtol=1e-3, atol=1e-4)


def test_several_labels_an_image(blobs, tmp_path):
    rows = [
        {
            "file": str(file),
            "round": int(name == "disc"),
            "straight": int(name != "disc"),
            "filled": int(name != "cross"),
        }
        for name in ("disc", "square", "cross")
        for file in sorted((blobs / name).iterdir())
    ]
    table = tmp_path / "labels.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    run, lines = _fit(table, tmp_path / "run", label_column="round,straight,filled")
    assert "3 classes (an image may have several): round 12, straight 24, filled 24" in lines[0]
    assert "kappa" not in run.scores.test and run.scores.test["auc"].value > 0.6
    prediction = run.predict(rows[0]["file"])
    assert set(prediction.label.split("|")) <= {"round", "straight", "filled"} and len(prediction.probabilities) == 3


def test_weights_and_draws_for_rare_classes(pairs, tmp_path):
    # Labels that no image shows: the model can only learn how many of each there are.
    files = sorted(pairs.rglob("*.png"))
    labels = ["rare" if place % 4 == 0 else "usual" for place in range(len(files))]
    table = tmp_path / "labels.csv"
    pd.DataFrame({"file": list(map(str, files)), "label": labels}).to_csv(table, index=False)
    base = {"encoder": "mobilenetv2_100", "classes": "usual,rare"}
    named = ("none", "class_weights", "weighted_sampling")
    shares = [_fit(table, tmp_path / name, imbalance=name, **base)[0].predictions["p_rare"].mean() for name in named]
    assert shares[0] < 0.35 and shares[1] == pytest.approx(0.5, abs=0.08) and shares[2] == shares[1]


# -- refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "message"), [
    ({"model": "encoder_unet"}, "model: encoder_unet cannot be trained, as the data has labels"),
    ({"loss": "dice"}, "no loss 'dice' for labels"),
    ({"solver": "lbfgs", "head": "mlp"}, "solver: lbfgs cannot be used here, as the head is not linear"),
    ({"solver": "lbfgs", "strategy": "full"}, "as the strategy leaves no encoder fixed"),
    ({"solver": "lbfgs", "views": 0}, "as no features are stored"),
    ({"folds": 13}, "folds"),
    ({"folds": 3, "split_file": "split.csv"}, "split_file: a cross-validation makes its own splits"),
    ({"encoder": "cbr_small"}, "no pretrained weights for cbr_small"),
    ({"strategy": "scratch", "batch_norm": "adapt"}, "scratch"),
], ids=lambda value: value[:20] if isinstance(value, str) else "")  # fmt: skip
def test_what_cannot_be_is_refused_before_work(blobs, tmp_path, options, message):
    with pytest.raises(Exception, match=message) as caught:
        _fit(blobs, tmp_path / "run", **options)
    assert type(caught.value).__module__ == "medgraft.errors"
    assert not (tmp_path / "run").exists()


def test_a_classifier_is_refused_for_masks(ellipses, tmp_path):
    with pytest.raises(RecipeError, match="model: classifier cannot be trained, as the data has masks"):
        _fit(ellipses, tmp_path / "run", model="classifier")


def test_a_resumed_run_keeps_the_engine_of_its_features(pairs, tmp_path):
    options = {"encoder": "mobilenetv2_100", "engine": "auto"}
    run, _ = _fit(pairs, tmp_path / "run", **options)
    for name in ("scores.json", "predictions.csv", "model.safetensors"):
        (run.folder / name).unlink()
    known = run.environment
    known["features"]["engine"] = "onnxruntime"
    (run.folder / "environment.json").write_text(json.dumps(known))
    again, _ = _fit(pairs, run.folder, resume=True, **options)
    assert again.environment["features"]["engine"] == "onnxruntime"


def test_a_solved_head_has_no_rate(frozen):
    run, lines = frozen
    assert any("3,843 head parameters are solved for" in line for line in lines)
    assert run.model_info["summary"][-1]["lr"] == 0.0


def test_lp_ft_measures_what_fine_tuning_runs_fastest_with(pairs, tmp_path):
    run, _ = _fit(pairs, tmp_path / "run", encoder="mobilenetv2_100", strategy="lp_ft", epochs=1, size=32,
                  precision="auto", memory_format="auto")  # fmt: skip
    assert {name for name in run.environment["choices"]["milliseconds"] if name.startswith("step")} == {
        f"step {precision} {layout}" for precision in ("fp32", "bf16") for layout in ("contiguous", "channels_last")
    }


@pytest.mark.parametrize("options", [
    {"strategy": "lp_ft", "head": "mlp", "probe_epochs": 1},
    {"strategy": "gradual", "unfreeze_every": 1},
], ids=["lp_ft", "gradual"])  # fmt: skip
def test_where_a_head_is_first_alone_the_last_stage_is_measured(pairs, tmp_path, monkeypatch, options):
    seen = []
    measure = probing.choose

    def looked(model, stop, *rest):
        seen.append((stop, any(p.requires_grad for p in model.encoder.parameters())))
        return measure(model, stop, *rest)

    monkeypatch.setattr(probing, "choose", looked)
    run, _ = _fit(pairs, tmp_path / "run", size=32, epochs=2, **options)
    # For labels Lite0 has 9 blocks (stem, 7 stages, head): after one epoch lp_ft frees them all, gradual the last.
    assert seen == [({"lp_ft": 0, "gradual": 8}[options["strategy"]], True)]
    assert run.history[0]["stage"] == "head"
