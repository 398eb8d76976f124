"""evaluate on labels: what is chosen on validation images, what is written, and what other data gets."""

import json
import shutil
from dataclasses import replace

import cv2
import evaluating
import numpy as np
import pandas as pd
import pytest
from evaluating import LABELS, copied, evaluated, snapshot, trained
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score, roc_curve

from medgraft import Run
from medgraft.errors import DataError, RecipeError, RunError

pytestmark = pytest.mark.usefixtures("no_pages")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A table of 48 noisy shapes, two images a patient."""
    return evaluating.table_of(evaluating.draw_shapes(tmp_path_factory.mktemp("data") / "shapes", 24, 3, noise=70))


@pytest.fixture(scope="module")
def original(data, tmp_path_factory):
    """A run; not to be changed."""
    place = tmp_path_factory.mktemp("runs") / "shapes"
    return trained(data, place, ratios=(0.4, 0.3, 0.3), threshold=0.3, **LABELS)


@pytest.fixture
def run(original, tmp_path):
    return copied(original, tmp_path)


def logits_of(run: Run, rows: pd.DataFrame) -> np.ndarray:
    """Of the positive class, of the model itself."""
    plain = replace(Run(run.folder).label_predictor, temperature=1.0)
    found = [plain.predict(image).probabilities.astype(np.float64) for image in rows["image"]]
    return np.array([np.log(p[1]) - np.log(p[0]) for p in found])


def test_the_temperature_is_the_one_of_least_loss_on_validation_images(run):
    found, _ = evaluated(run)
    rows = run.predictions
    val = rows[rows["split"] == "val"]
    z, y = logits_of(run, val), (val["target"] == "disc").to_numpy()

    def loss(log_t):
        return -np.log(expit(np.where(y, z, -z) / np.exp(log_t))).mean()

    best = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-9})
    temperature = run.model_info["temperature"]
    assert temperature == pytest.approx(np.exp(best.x), rel=1e-3) and abs(temperature - 1) > 0.01
    # Sums of float32 differ in their last digits between images in batches and alone.
    np.testing.assert_allclose(rows["p_disc"], expit(logits_of(run, rows) / temperature), atol=3e-5)
    assert run.model_info["calibration"]["n"] == len(val)
    # From now on every prediction has it.
    first = rows.iloc[0]
    assert Run(run.folder).predict(first["image"]).probabilities[1] == pytest.approx(first["p_disc"], abs=3e-5)
    assert found.findings["temperature"]["value"] == temperature


def test_a_threshold_that_is_kept_decides_as_before(original, run):
    before = original.predictions
    evaluated(run)
    after, info = run.predictions, run.model_info
    assert list(after["id"]) == list(before["id"]) and list(after["predicted"]) == list(before["predicted"])
    assert info["threshold"] == pytest.approx(expit(logit(0.3) / info["temperature"]))
    assert list(after["predicted"]) == ["disc" if p >= info["threshold"] else "cross" for p in after["p_disc"]]


def test_youden_is_chosen_on_validation_and_scored_on_test(run):
    _, lines = evaluated(run, threshold="youden")
    rows = run.predictions
    val, test = (rows[rows["split"] == split] for split in ("val", "test"))
    false, true, thresholds = roc_curve(val["target"] == "disc", val["p_disc"])
    threshold = run.model_info["threshold"]
    said = val["p_disc"] >= threshold
    positive = val["target"] == "disc"
    assert (said & positive).sum() / positive.sum() - (said & ~positive).sum() / (~positive).sum() == pytest.approx(
        (true - false).max()
    )
    assert len(thresholds) and run.model_info["threshold_choice"]["rule"] == "youden"
    decided = np.where(test["p_disc"] >= threshold, "disc", "cross")
    assert list(test["predicted"]) == list(decided)
    assert run.scores.test["accuracy"].value == pytest.approx((decided == test["target"]).mean())
    assert run.scores.test["auc"].value == pytest.approx(roc_auc_score(test["target"] == "disc", test["p_disc"]))
    assert any(line.startswith("threshold") and "youden" in line for line in lines)
    findings = json.loads((run.folder / "evaluation" / "evaluation.json").read_text())
    points = {row["rule"]: row for row in findings["operating_points"]}
    disc = test["target"] == "disc"
    assert points["youden"]["current"] and points["youden"]["threshold"] == threshold
    for row in points.values():
        share = (test["p_disc"][disc] >= row["threshold"]).mean()
        assert row["scores"]["sensitivity"]["value"] == pytest.approx(share)


def test_twice_gives_the_same_to_the_last_bit(run):
    evaluated(run, threshold="f1")
    first = snapshot(run.folder)
    evaluated(run, threshold="f1")
    assert snapshot(run.folder) == first
    # The same threshold where none is asked for, whatever rule has chosen it.
    evaluated(run)
    info = json.loads(first["model.json"])
    assert Run(run.folder).model_info == info


def test_broken_off_before_the_end_nothing_has_changed(run, monkeypatch):
    before = snapshot(run.folder)

    def broken(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("medgraft.pipeline.evaluate.evaluation_report", broken)
    with pytest.raises(KeyboardInterrupt):
        evaluated(run, threshold="youden")
    assert snapshot(run.folder) == before


def test_broken_off_between_the_renames_the_same_command_mends_it(original, run, tmp_path, monkeypatch):
    whole = copied(original, tmp_path / "whole")
    evaluated(whole, threshold="youden")
    with monkeypatch.context() as patch:
        patch.setattr(Run, "update_model_info", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            evaluated(run, threshold="youden")
    assert run.model_info == original.model_info
    evaluated(run, threshold="youden")
    assert snapshot(run.folder) == snapshot(whole.folder)


def test_scores_and_calibration_of_the_report_are_those_of_the_test_images(run, pages):
    found, _ = evaluated(run)
    test = run.predictions[run.predictions["split"] == "test"]
    (part,) = [each for each in found.findings["calibration"] if each["split"] == "test"]
    y, p = (test["target"] == "disc").to_numpy(float), test["p_disc"].to_numpy()
    assert part["after"]["scores"]["brier"]["value"] == pytest.approx(((p - y) ** 2).mean(), abs=1e-7)
    raw = expit(logits_of(run, test))
    assert part["before"]["scores"]["brier"]["value"] == pytest.approx(((raw - y) ** 2).mean(), abs=3e-5)
    bins = np.minimum((np.ceil(p * 15) - 1).clip(0), 14)
    ece = sum(abs(p[bins == b].sum() - y[bins == b].sum()) for b in np.unique(bins)) / len(p)
    assert part["after"]["scores"]["ece"]["value"] == pytest.approx(ece)
    page = found.report.read_text()
    assert "Do probabilities mean what they say?" in page and "After temperature scaling" in page
    assert "played no part in training" in page and "not a medical device" in page


def test_subgroups_are_those_of_the_users_columns(run, data):
    found, lines = evaluated(run, by=("sex", "age=60"))
    sex, age = found.findings["subgroups"]
    table = pd.read_csv(data, dtype={"file": str}).assign(id=lambda t: t["file"].str.replace(".png", "", regex=False))
    test = run.predictions.merge(table, left_on="image", right_on=table["file"].map(lambda f: str(data.parent / f)))
    test = test[test["split"] == "test"]
    for each in sex["subgroups"]:
        rows = test[test["sex"] == each["name"]]
        assert each["images"] == len(rows) > 0
        assert each["scores"]["auc"]["value"] == pytest.approx(roc_auc_score(rows["label"] == "disc", rows["p_disc"]))
        assert each["small"].startswith("only")
    assert [each["name"] for each in age["subgroups"]] == ["under 60", "60 and over"]
    assert sex["column"] == "sex" and any(line.startswith("by sex") for line in lines)


def test_a_users_column_may_be_called_as_one_of_ours(run, tmp_path):
    found, _ = evaluated(run, by=("split",), out=tmp_path / "out")
    assert [each["name"] for each in found.findings["subgroups"][0]["subgroups"]] == ["test"]


def test_a_column_that_the_data_lacks(run):
    before = snapshot(run.folder)
    with pytest.raises(DataError, match=r"no column 'gender'.*it has .*sex, age"):
        evaluated(run, by=("gender",))
    with pytest.raises(DataError, match="no column 'image'"):
        evaluated(run, by=("image",))
    assert snapshot(run.folder) == before


@pytest.mark.parametrize(
    ("rule", "error", "words"),
    [
        ("dice", RecipeError, "no rule for labels; give youden, f1"),
        ("jouden", RecipeError, "Did you mean youden"),
        ("1.5", RecipeError, "between 0 and 1"),
        ("sensitivity", RecipeError, "sensitivity=0.9"),
    ],
)
def test_rules_that_are_none(run, rule, error, words):
    before = snapshot(run.folder)
    with pytest.raises(error, match=words):
        evaluated(run, threshold=rule)
    assert snapshot(run.folder) == before


# -- other data ------------------------------------------------------------------------------------------------------


@pytest.fixture
def theirs(tmp_path):
    """24 dimmed shapes of another place, with names of their own."""
    folder = evaluating.draw_shapes(tmp_path / "theirs", 12, 8)
    for file in sorted(folder.rglob("*.png")):
        cv2.imwrite(str(file), (cv2.imread(str(file)) * 0.5).astype(np.uint8))
        file.rename(file.with_name(f"other_{file.name}"))
    return folder


def test_other_data_is_scored_whole_and_nothing_is_fitted(run, theirs, tmp_path, monkeypatch, pages):
    monkeypatch.chdir(tmp_path)
    evaluated(run, threshold="youden")
    before = snapshot(run.folder)
    found, lines = evaluated(run, theirs)
    assert snapshot(run.folder) == before
    assert str(found.folder) == f"evaluations/{run.name}-on-theirs"
    rows = pd.read_csv(found.folder / "predictions.csv")
    assert len(rows) == 24 and set(rows["split"]) == {"external"}
    for row in rows.iloc[:4].to_dict("records"):
        assert row["p_disc"] == pytest.approx(float(run.predict(row["image"]).probabilities[1]), abs=3e-5)
        assert row["predicted"] == run.predict(row["image"]).label
    assert found.findings["threshold"]["choice"] is None and found.findings["temperature"]["fit"] is None
    distance = found.findings["distance"]
    assert distance["against"] == "training" and distance["value"] > 2 * distance["held_out"]["value"] > 0
    assert any(line.startswith("distance from the training images") for line in lines)
    page = found.report.read_text()
    assert (
        "external validation" in page
        and "the images of this data look different" in page
        and "On 24 images of theirs" in page
    )


def test_an_earlier_evaluation_is_replaced_and_nothing_else(run, theirs, tmp_path):
    found, _ = evaluated(run, theirs, out=tmp_path / "out")
    (tmp_path / "out" / "old.txt").write_text("of the earlier one")
    again, _ = evaluated(run, theirs, out=tmp_path / "out")
    assert again.findings == found.findings and not (tmp_path / "out" / "old.txt").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="no earlier evaluation"):
        evaluated(run, theirs, out=tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_rule_is_not_fitted_to_other_data_but_a_number_is_taken(run, theirs, tmp_path):
    with pytest.raises(RecipeError, match="chosen on the run's own validation images"):
        evaluated(run, theirs, threshold="youden", out=tmp_path / "out")
    found, lines = evaluated(run, theirs, threshold="0.9", out=tmp_path / "out")
    rows = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert list(rows["predicted"] == "disc") == list(rows["p_disc"] >= 0.9)
    assert found.findings["threshold"]["value"] == 0.9 and run.model_info["threshold"] == 0.3
    assert found.findings["threshold"]["choice"]["rule"] == "0.9" and "threshold 0.9, as given" in lines
    (point,) = found.findings["operating_points"]
    assert (point["rule"], point["threshold"], point["current"]) == ("0.9", 0.9, True)


def test_a_number_is_not_said_to_be_chosen_on_images(run, pages):
    found, lines = evaluated(run, threshold="0.4")
    (said,) = (line for line in lines if line.startswith("threshold"))
    n = found.findings["threshold"]["choice"]["n"]
    assert said.startswith(f"threshold 0.4, as given; on {n} validation images: Sensitivity ")
    card = (run.folder / "README.md").read_text()
    assert "Threshold 0.4, given as a number." in card
    assert "as given" in found.report.read_text()


def test_classes_that_the_run_does_not_know(run, theirs, tmp_path):
    (theirs / "disc").rename(theirs / "discs")
    with pytest.raises(DataError, match=r"does not know the class discs.*trained on cross, disc.*Did you mean disc"):
        evaluated(run, theirs, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_data_that_has_moved_is_known_again(original, run, data, tmp_path):
    moved = shutil.copytree(data.parent, tmp_path / "elsewhere") / "labels.csv"
    evaluated(copied(original, tmp_path / "there"), threshold="f1")
    found, lines = evaluated(run, moved, threshold="f1")
    assert any("the images of the run's own training" in line for line in lines)
    assert found.folder == run.folder / "evaluation" and found.findings["own"]
    assert run.model_info["threshold"] == Run(tmp_path / "there" / run.name).model_info["threshold"]


def test_the_same_names_with_other_pixels_are_other_data(run, data, tmp_path):
    other = shutil.copytree(data.parent, tmp_path / "others")
    for file in other.rglob("*.png"):
        cv2.imwrite(str(file), 255 - cv2.imread(str(file)))
    found, _ = evaluated(run, other / "labels.csv", out=tmp_path / "out")
    assert not found.findings["own"]
    # And so are the names of its patients, which may be chance.
    assert any("name of a patient that the model learned from" in line for line in found.findings["cautions"])


def test_images_that_the_model_learned_from_are_told(run, data, tmp_path):
    split = pd.read_csv(run.folder / "split.csv", dtype=str)
    known = split[split["split"] == "train"]["id"].iloc[:3].tolist()
    table = pd.read_csv(data)
    files = [data.parent / file for file in table["file"] if file.removesuffix(".png").split("/")[-1] in known or
             file.removesuffix(".png") in known]  # fmt: skip
    assert len(files) == 3
    mixed = tmp_path / "mixed"
    for number, file in enumerate(sorted(data.parent.rglob("*.png"))[::4]):
        (mixed / file.parent.name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(mixed / file.parent.name / f"new_{number}.png"), cv2.imread(str(file))[:, ::-1])
    for number, file in enumerate(files):
        shutil.copy(file, mixed / file.parent.name / f"copy_{number}.png")
    found, _ = evaluated(run, mixed, out=tmp_path / "out")
    (said,) = [line for line in found.findings["cautions"] if "pixel for pixel" in line]
    assert said.startswith("3 images") and "copy_0" in said and "--exclude" in said


def test_a_place_that_is_gone(run):
    environment = json.loads((run.folder / "environment.json").read_text())
    environment["data"]["root"] = "/no/such/place/labels.csv"
    (run.folder / "environment.json").write_text(json.dumps(environment))
    with pytest.raises(DataError, match=r"no longer at /no/such/place/labels.csv.*medgraft evaluate .* DATA"):
        evaluated(run)


def test_a_run_without_weights(run):
    (run.folder / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"no model\.safetensors"):
        evaluated(run)


def test_out_keeps_the_run_as_it_is(run, tmp_path):
    before = snapshot(run.folder)
    found, _ = evaluated(run, threshold="f1", out=tmp_path / "look")
    assert snapshot(run.folder) == before
    assert found.findings["threshold"]["choice"]["rule"] == "f1" and found.report == tmp_path / "look" / "report.html"


# -- cross-validation ------------------------------------------------------------------------------------------------


def test_folds_answer_together_on_other_data_and_alone_on_their_own(data, theirs, tmp_path):
    whole = trained(data, tmp_path / "folds", folds=2, **LABELS)
    with pytest.raises(RunError, match=r"a cross-validation.*fold-1.*all folds answer together on other data"):
        evaluated(whole)
    found, _ = evaluated(whole, theirs, out=tmp_path / "out")
    rows = pd.read_csv(tmp_path / "out" / "predictions.csv")
    row = rows.iloc[3]
    each = [float(fold.predict(row["image"]).probabilities[1]) for fold in whole.folds]
    assert each[0] != each[1] and row["p_disc"] == pytest.approx(np.mean(each), abs=3e-5)
    assert rows["disagreement"].gt(0).all() and found.findings["way"] == ["ensemble-of-2-folds"]
    # Its own images and patients are told again, whichever fold learned from them; so they are beside another fold.
    learned, _ = evaluated(whole, data, out=tmp_path / "own")
    said = learned.findings["cautions"]
    assert sum(line.startswith("48 images") and "pixel for pixel" in line for line in said) == 1
    assert sum(line.startswith("24 patients") for line in said) == 1
    beside, _ = evaluated(whole.folds[0], ensemble=[whole.folds[1].folder], out=tmp_path / "beside")
    scored = pd.read_csv(tmp_path / "beside" / "predictions.csv")["id"]
    split = pd.read_csv(whole.folds[1].folder / "split.csv")
    both = set(scored) & set(split[split["split"] == "train"]["id"])
    (line,) = [line for line in beside.findings["cautions"] if "pixel for pixel" in line]
    assert line.startswith(f"{len(both)} images") and "that fold-2 learned from" in line
    evaluated(whole.folds[0], threshold="f1")
    assert whole.folds[0].model_info["threshold_choice"]["rule"] == "f1"


def test_without_validation_images_nothing_is_fitted(data, tmp_path):
    run = trained(data, tmp_path / "run", ratios=(0.6, 0.0, 0.4), solver="adamw", epochs=1, **LABELS)
    found, _ = evaluated(run)
    assert run.model_info["temperature"] == 1.0 and run.model_info["threshold"] == 0.5
    assert any("no validation images" in line for line in found.findings["cautions"])
    with pytest.raises(RunError, match="no validation image to choose a threshold on by youden; give a number"):
        evaluated(run, threshold="youden")
    _, lines = evaluated(run, threshold="0.25")
    assert run.model_info["threshold"] == 0.25 and run.model_info["threshold_choice"]["rule"] == "0.25"
    assert "threshold 0.25, as given" in lines
