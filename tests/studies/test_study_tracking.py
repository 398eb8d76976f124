"""A study that is tracked: one tracked run a cell, whole, whatever rates were tried on the way."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def _told(folder):
    found = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    return {name: [(event.step, event.value) for event in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_trackers_are_told_of_the_rate_that_was_kept_and_of_no_trial(conduct, tmp_path):
    study = conduct(tmp_path / "study", lr_grid=[1e-3, 0.3], epochs=2, track="tensorboard")
    (row,) = study.cells.to_dict("records")
    run = study.run(row["id"])
    told = _told(run.folder)
    assert [step for step, _ in told["val/loss"]] == [1, 2]
    assert told["val/loss"][1][1] - run.history[1]["val"]["loss"] < 1e-6
    (score,) = told["scores/test/auc/value"]
    assert abs(score[1] - row["test_auc"]) < 1e-6
    assert not list((run.folder / "trials").rglob("events.out.*")) and run.recipe.track == ("tensorboard",)


def test_of_one_rate_trackers_hear_each_epoch_and_the_end(conduct, tmp_path):
    study = conduct(tmp_path / "study", track="tensorboard")
    (row,) = study.cells.to_dict("records")
    told = _told(study.run(row["id"]).folder)
    assert [step for step, _ in told["val/loss"]] == [1] and "scores/test/auc/value" in told
