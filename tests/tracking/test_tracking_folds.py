"""Heads that are solved at once, and cross-validations: a tracked run a fold, and one for the pooled scores."""

import csv

import pytest
from tracked_runs import final_scores, mlflow_client, mlflow_runs, trained, working_in

from medgraft.pipeline import tracked
from medgraft.report import report_to_hand_on

LABELS = {
    "model": "classifier", "strategy": "frozen", "widths": None, "size": 64, "engine": "torch", "folds": 2,
    "group": "patient", "track": "mlflow",
}  # fmt: skip


@pytest.fixture(scope="module")
def folded(pairs, tmp_path_factory):
    place = tmp_path_factory.mktemp("folded")
    with (place / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "patient"])
        for number, image in enumerate(sorted(pairs.rglob("*.png"))):
            table.writerow([image, image.parent.name, f"Ada Lovelace {number // 2}"])
    with working_in(place) as patch:
        # The pages are made below, once; each takes as long as the report itself.
        patch.setattr(tracked, "report_to_hand_on", lambda run_folder, folder: [])
        run, heard = trained(place / "labels.csv", place / "runs" / "beads", **LABELS)
    assert not heard.warnings()
    with mlflow_client(place) as client:
        yield run, client, {held.info.run_name: held for held in mlflow_runs(client)}, place


def test_each_fold_has_a_run_and_the_whole_another(folded):
    run, _, held, _ = folded
    assert set(held) == {"beads/fold-1", "beads/fold-2", "beads"}
    made = dict(zip(sorted(held), [run, *run.folds], strict=True))
    ids = {name: each.environment["tracking"]["mlflow"]["id"] for name, each in made.items()}
    assert ids == {name: found.info.run_id for name, found in held.items()}
    assert all(found.info.status == "FINISHED" for found in held.values())


def test_every_penalty_that_was_tried_is_tracked(folded):
    run, client, held, _ = folded
    for fold in run.folds:
        id_ = fold.environment["tracking"]["mlflow"]["id"]
        for name, value in (
            ("penalty", lambda line: line["penalty"]),
            ("chosen", lambda line: float(line["chosen"])),
            ("val/loss", lambda line: line["val"]["loss"]),
            ("train/auc", lambda line: line["train"]["auc"]),
        ):
            history = [(metric.step, metric.value) for metric in client.get_metric_history(id_, name)]
            assert history == [(line["epoch"], value(line)) for line in fold.history]
    assert not any(name.startswith("train/") for name in held["beads"].data.metrics)


def test_the_pooled_scores_are_tracked(folded):
    run, _, held, _ = folded
    wanted = final_scores(run.folder)
    assert "scores/test/auc/low" in wanted and any(name.startswith("scores/fold_2/auc") for name in wanted)
    assert {name: value for name, value in held["beads"].data.metrics.items() if name != "epoch"} == wanted
    assert held["beads"].data.params["folds"] == "2" and held["beads/fold-1"].data.params["folds"] == "0"


def test_no_patient_is_named(folded, tmp_path):
    run, _, _, place = folded
    pages = report_to_hand_on(run.folder, tmp_path / "beads")
    assert [page.name for page in pages] == ["report.html", "README.md"]
    text = pages[0].read_text(encoding="utf-8")
    assert "Pooled, all images are scored" in text and "drawing whole patients" in text and text.count("<svg") >= 4
    assert 'id="pictures"' not in text
    names = [*run.predictions["id"], "Lovelace", "patient_", str(place / "labels.csv")]
    for file in [*pages, *(file for file in (place / "mlruns").rglob("*") if file.is_file())]:
        text = file.read_text(encoding="utf-8")
        assert not any(name in text for name in names), file
