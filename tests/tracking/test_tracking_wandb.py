"""Weights & Biases without a network: what it would send is what the run's folder holds, and no more."""

import json
import struct
import sys

import pytest
from tracked_runs import Heard, figures, final_scores, trained, working_in


def records(folder):
    """The records of the one run in a folder that wandb would send."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("*.wandb")
    for data in logged(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        yield record


def logged(content):
    """The entries of a log as LevelDB writes it: blocks of 32 KiB, in them parts of entries with a head of 7 bytes."""
    assert content[:4] == b":W&B"
    place, parts = 7, []
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        parts.append(content[place + 7 : place + 7 + length])
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield b"".join(parts)
            parts = []


def items(entries):
    """Keys and values of the entries of a record."""
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in entries}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("offline")


@pytest.fixture(scope="module")
def run(ellipses, place):
    """A run that is interrupted in its third epoch and resumed."""

    def interrupt(epoch):
        if epoch == 3:
            raise KeyboardInterrupt

    with working_in(place) as patch:
        patch.setattr(sys, "argv", ["medgraft", "fit", str(ellipses)])
        with pytest.raises(KeyboardInterrupt):
            trained(ellipses, place / "run", Heard(at_step=interrupt), track="wandb")
        run, heard = trained(ellipses, place / "run", resume=True)
        assert not heard.warnings() and any(line.startswith("tracked in wandb: offline") for line in heard.lines)
    return run


@pytest.fixture(scope="module")
def held(run, place):
    """The records of both parts, in order."""
    folders = sorted((place / "wandb").glob("offline-run-*"), key=lambda folder: folder.stat().st_mtime)
    assert len(folders) == 2
    return [record for folder in folders for record in records(folder)]


def test_each_epoch_once_in_the_same_run(run, held):
    assert {record.run.run_id for record in held if record.HasField("run")} == {
        run.environment["tracking"]["wandb"]["id"]
    }
    rows = [items(record.history.item) for record in held if record.HasField("history")]
    assert [row["_step"] for row in rows] == [1, 2, 3]
    for row, line in zip(rows, run.history, strict=True):
        assert {name: value for name, value in row.items() if not name.startswith("_")} == figures(line)


def test_recipe_scores_and_report(run, held):
    config = items(next(record.run.config.update for record in held if record.HasField("run")))
    assert config["seed"] == 0 and config["widths"] == "4,8" and config["augment.hue"] == run.recipe.augment.hue
    summary = {}
    for record in held:
        if record.HasField("summary"):
            summary |= items(record.summary.update)
    wanted = final_scores(run.folder)
    assert {name: summary[name] for name in wanted} == wanted
    files = {entry.path for record in held for entry in record.request.log_artifact.artifact.manifest.contents}
    files |= {entry.path for record in held for entry in record.artifact.manifest.contents}
    assert files == {"report.html", "README.md"}


def test_nothing_is_kept_of_images_command_and_machine(run, held, place, ellipses):
    ids = [str(name) for name in run.predictions["id"]]
    told = "\n".join(str(record) for record in held)
    assert not any(name in told for name in [*ids, str(ellipses)])
    files = [file for file in (place / "wandb").rglob("*") if file.is_file()]
    for file in files:
        text = file.read_bytes()
        assert not any(name.encode() in text for name in [*ids, str(ellipses)]), file
    assert {record.run.host for record in held if record.HasField("run")} == {"medgraft"}
