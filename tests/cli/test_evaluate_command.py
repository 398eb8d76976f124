"""medgraft evaluate: what is printed, what programs get, and what is refused in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import TINY, refused, snapshot

from medgraft.run import Run


@pytest.fixture
def run(trained, workplace):
    """A copy of the tiny U-Net's run, to change."""
    return Path(shutil.copytree(trained, workplace / "runs" / "tiny"))


def test_a_run_is_settled_and_says_so(medgraft, run):
    said = medgraft("evaluate", run, "--threshold", "dice")
    lines = said.out.splitlines()
    assert said.code == 0 and said.err == ""
    assert lines[0].startswith("tiny on shapes: ") and "temperature" in lines[1]
    assert lines[2].startswith("threshold ") and " by dice on " in lines[2]
    assert any(line.startswith("test   Dice ") for line in lines)
    assert lines[-1] == f"{run}/evaluation/report.html" and Path(lines[-1]).is_file()
    info = Run(run).model_info
    assert f"{info['threshold']:.4g}" in lines[2] and info["temperature"] != 1
    assert (run / "README.md").is_file()
    assert "medgraft evaluate" not in (run / "report.html").read_text()


def test_programs_get_json_alone_on_standard_output(medgraft, run):
    said = medgraft("evaluate", run, "--json")
    found = json.loads(said.out)
    assert said.code == 0 and found["folder"] == str(run / "evaluation")
    assert found["scores"]["test"]["dice"]["n"] == found["data"]["splits"]["test"]
    assert found["threshold"]["value"] == 0.5 and "temperature" in said.err


def test_other_data_goes_to_a_folder_of_its_own(medgraft, run, ellipses, workplace):
    other = workplace / "theirs"
    shutil.copytree(ellipses, other)
    for kind in ("images", "masks"):
        for file in sorted((other / kind).iterdir())[6:]:
            file.unlink()
    before = snapshot(run)
    said = medgraft("evaluate", run, other)
    assert said.code == 0, said.err
    assert said.out.splitlines()[-1] == "evaluations/tiny-on-theirs/report.html"
    assert snapshot(run) == before
    assert "pixel for pixel, among the images that the model learned from" in said.out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--threshold", "youden"), ("youden is no rule for masks", "dice")),
        (("--threshold", "nonsense"), ("nonsense",)),
        (("--by", "scanner"), ("no column 'scanner'",)),
        (("--tta", "sideways"), ("sideways",)),
        (("--windows", "1.5"), ("overlap",)),
        (("--with", "no/such/run"), ("no/such/run",)),
        (("--split", "test"), ("--split", "DATA")),
        (("--group", "patient"), ("--group", "DATA")),
    ],
)
def test_options_that_do_not_fit(medgraft, run, arguments, parts):
    before = snapshot(run)
    refused(medgraft("evaluate", run, *arguments), *parts)
    assert snapshot(run) == before and not Path("evaluations").exists()


def test_folders_that_are_no_run_or_no_data(medgraft, run, workplace):
    refused(medgraft("evaluate", workplace / "nothing"), "no such run folder")
    refused(medgraft("evaluate", run, workplace / "nothing"), "nothing: no such folder or file")
    (workplace / "mine").mkdir()
    (workplace / "mine" / "notes.txt").write_text("of mine")
    refused(medgraft("evaluate", run, "--out", workplace / "mine"), "no earlier evaluation")
    assert (workplace / "mine" / "notes.txt").read_text() == "of mine"


def test_labels_for_a_run_of_masks(medgraft, run, pairs):
    refused(medgraft("evaluate", run, pairs), "masks")


def test_a_model_file_that_was_cut_short(medgraft, run):
    weights = (run / "model.safetensors").read_bytes()
    (run / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    refused(medgraft("evaluate", run), "copy the whole file once more")


def test_the_help_says_what_happens_by_itself(medgraft):
    said = medgraft("evaluate", "--help")
    assert said.code == 0 and "--threshold" in said.out and "Nothing is fitted on" in said.out
    assert TINY
