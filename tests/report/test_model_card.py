"""The model card: what the Hub reads of it, what a person reads, and what must not be in it."""

import json
import re

import pytest
import yaml
from fake_label_run import CELLS, SIGNS, rewrite
from huggingface_hub import ModelCard

from medgraft.report import run_report
from medgraft.report.folder import read_run_folder
from medgraft.report.model_card import model_card


def card_of(folder):
    """The card of a run, as the Hub's own library reads it."""
    return ModelCard(model_card(read_run_folder(folder)))


def test_the_front_matter_is_what_the_hub_wants(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "xray", groups=24)
    card = card_of(folder)
    data, scores = card.data, json.loads((folder / "scores.json").read_text())["test"]
    assert data.license == "apache-2.0" and data.library_name == "medgraft"
    assert data.pipeline_tag == "image-classification" and "medical-imaging" in data.tags
    found = {result.metric_type: result for result in data.eval_results}
    assert found["roc_auc"].metric_value == pytest.approx(scores["auc"]["value"], abs=1e-6)
    assert found["balanced_accuracy"].metric_name == "Balanced accuracy"
    assert {result.dataset_split for result in data.eval_results} == {"test"}
    assert {result.task_type for result in data.eval_results} == {"image-classification"}
    assert data.model_name == "xray"
    # What the library writes again is what was written.
    written = yaml.safe_load(model_card(read_run_folder(folder)).split("---")[1])
    assert data.to_dict()["model-index"] == written["model-index"]


def test_the_card_says_what_a_person_must_know(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "xray", groups=24)
    text = model_card(read_run_folder(folder))
    scores = json.loads((folder / "scores.json").read_text())["test"]["auc"]
    assert "not a medical device" in text.lower() and "## Limits" in text
    assert f"| AUC | {scores['value']:.3f} ({scores['low']:.3f} to {scores['high']:.3f}) | 60 |" in text
    assert "| test | 60 | " in text and "Patients (groups)" in text
    assert "Apache-2.0" in text and "Threshold 0.5, as it was set before training." in text
    assert "The probabilities are not calibrated." in text


def test_no_patient_no_file_and_no_machine_is_in_it(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "xray", groups=24)
    note = f"split read from {tmp_path}/split.csv"
    rewrite(folder, "environment.json", lambda found: found["data"].update(root=str(tmp_path), notes=[note]))
    text = model_card(read_run_folder(folder))
    assert str(tmp_path) not in text and "case_0" not in text and "patient 1" not in text and "/work" not in text
    # Where names of files are withheld, the run has the name in place of the path.
    rewrite(folder, "environment.json", lambda found: found["data"].update(root="Jane Doe", name="Jane Doe"))
    assert "Jane" not in model_card(read_run_folder(folder))


def subgroup(name, images):
    score = {"value": 0.8, "low": 0.7, "high": 0.9, "n": images, "level": 0.95}
    return {"name": name, "images": images, "small": "", "scores": {"auc": score}, "gaps": {}}


def test_subgroups_that_could_tell_who_was_in_them_are_left_out(make_label_run, tmp_path):
    folder = make_label_run(tmp_path / "xray", groups=24)
    blocks = [
        {"column": "sex", "subgroups": [subgroup("female", 31), subgroup("unsaid", 2)]},
        {"column": "nih_patient", "subgroups": [subgroup("00012", 12)]},
        {"column": "ward", "subgroups": [subgroup(f"ward {n}", 40) for n in range(25)]},
    ]
    findings = {"kind": "evaluation", "subgroups": blocks, "calibration": []}
    (folder / "evaluation").mkdir()
    (folder / "evaluation" / "evaluation.json").write_text(json.dumps(findings))
    text = model_card(read_run_folder(folder))
    assert "| female | 31 | 0.800 (0.700 to 0.900) |" in text
    assert "unsaid" not in text and "00012" not in text and "ward" not in text


def test_threshold_temperature_and_calibration(make_label_run, tmp_path):
    choice = {"threshold": 0.21, "temperature": 1.7, "threshold_choice": {"rule": "sensitivity=0.9", "n": 90},
              "calibration": {"n": 90}}  # fmt: skip
    folder = make_label_run(tmp_path / "xray", **choice)
    text = model_card(read_run_folder(folder))
    assert "Threshold 0.21, chosen on 90 validation images by the rule sensitivity=0.9." in text
    assert "Temperature 1.7, fitted on 90 validation images" in text


def test_a_temperature_that_was_not_fitted_is_none_and_a_number_was_not_chosen(make_label_run, tmp_path):
    choice = {"threshold": 0.25, "temperature": 1.0, "threshold_choice": {"rule": "0.25", "n": 0}}
    text = model_card(read_run_folder(make_label_run(tmp_path / "xray", **choice)))
    assert "The probabilities are not calibrated." in text and "fitted" not in text
    assert "Threshold 0.25, given as a number." in text


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC-BY-NC-4.0", {"license": "cc-by-nc-4.0"}),
        ("unknown", {"license": "unknown"}),
        ("Some Hospital's own terms", {"license": "other", "license_name": "some-hospital-s-own-terms"}),
    ],
)
def test_the_licence_is_that_of_the_weights(make_label_run, tmp_path, licence, expected):
    folder = make_label_run(tmp_path / "run", weights={"source": "somewhere", "licence": licence, "digest": "ab"})
    data = card_of(folder).data.to_dict()
    assert {key: data[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("source", "base"),
    [
        ("a1_in1k weights of timm (timm/resnet50.a1_in1k)", "timm/resnet50.a1_in1k"),
        ("hf-hub:owner/some-model", "owner/some-model"),
        ("in1k weights of timm (https://example.org/weights.pth)", None),
        ("file mine.safetensors", None),
    ],
)
def test_what_it_was_built_on(make_label_run, tmp_path, source, base):
    folder = make_label_run(tmp_path / "run", weights={"source": source, "licence": "MIT", "digest": "ab"})
    assert card_of(folder).data.base_model == base


def test_of_several_classes_and_several_labels(make_label_run, tmp_path):
    cells = model_card(read_run_folder(make_label_run(tmp_path / "cells", CELLS)))
    assert "Threshold" not in re.sub("## Threshold and calibration", "", cells)
    names = ["a|b", *SIGNS[1:]]
    signs = model_card(read_run_folder(make_label_run(tmp_path / "signs", SIGNS, multilabel=True)))
    assert "Threshold 0.5" in signs and ModelCard(signs).data.eval_results
    odd = model_card(read_run_folder(make_label_run(tmp_path / "odd", names)))
    assert "a\\|b" in odd


def test_masks_and_the_report_writes_it(make_run, tmp_path):
    folder = make_run(tmp_path / "lesions")
    run_report(folder)
    card = ModelCard.load(folder / "README.md")
    assert card.data.pipeline_tag == "image-segmentation"
    assert {result.metric_type for result in card.data.eval_results} >= {"dice", "mean_iou"}
