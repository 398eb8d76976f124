"""DICOM from the command line: trained on, predicted, and nothing of a patient left behind."""

import base64
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest

from dicom_making import dataset, make, save, segmentation
from medgraft import Run
from medgraft.cli.main import main
from medgraft.pipeline.inspect import inspect
from medgraft.progress import Observer

QUICK = ["--size", "64", "--bootstrap", "100", "--engine", "torch", "--precision", "fp32",
         "--memory-format", "contiguous"]  # fmt: skip

SECRETS = ("Zaphodiusz", "Trzmielowska", "MRN-7261", "19310527", "ACC-90210", "1.2.826.0.1.3680043.8.498.")


def drawn(shape, seed, side=48):
    """A disc or a cross in Hounsfield units, between -1000 (air) and 300, and where it is."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((side, side), np.uint8)
    x, y, r = int(rng.integers(16, side - 16)), int(rng.integers(16, side - 16)), int(rng.integers(8, 13))
    if shape == "disc":
        cv2.circle(mask, (x, y), r, 1, -1)
    else:
        cv2.line(mask, (x - r, y), (x + r, y), 1, 3)
        cv2.line(mask, (x, y - r), (x, y + r), 1, 3)
    ground = np.where(rng.random((side, side)) < 0.3, -1000, rng.integers(-40, 40, (side, side)))
    return np.where(mask > 0, 150, ground).astype(np.int16), mask


def scan(shape, number, patient, **options):
    """A CT slice of a shape, with all that a header knows of a patient."""
    values, _ = drawn(shape, number)
    stored = (values + 1024).astype(np.uint16)
    return dataset(stored, number=number, patient=f"MRN-7261{patient:02d}", study=f"study {patient}", bits=12,
                   RescaleSlope=1, RescaleIntercept=-1024, PatientName=f"Trzmielowska{patient}^Zaphodiusz",
                   PatientBirthDate="19310527", AccessionNumber=f"ACC-90210{patient}", **options)  # fmt: skip


def class_folders(folder, naming, count=12):
    for number in range(count):
        for offset, shape in ((0, "disc"), (100, "cross")):
            save(folder / shape / naming(shape, number), scan(shape, number + offset, number % 6))
    return folder


def marked_scans(folder, patients=8, slices=3):
    """A folder a patient, with slices of a disc and a segmentation of all but the last one, which shows none."""
    for patient in range(patients):
        sources = [
            scan("disc", 10 * patient + n, patient, SeriesInstanceUID=f"1.2.826.0.1.3680043.8.498.{patient + 1}")
            for n in range(slices)
        ]
        masks = np.stack([drawn("disc", 10 * patient + n)[1] for n in range(slices)])
        masks[-1] = 0
        sources[-1].PixelData = np.full((48, 48), 1024, np.uint16).tobytes()
        for n, source in enumerate(sources):
            save(folder / f"p{patient}" / f"IM{patient}{n}", source)
        save(folder / f"p{patient}" / "seg.dcm", segmentation(sources, masks, number=100 + patient))
    return folder


def silently(folder, *arguments):
    """Run a command; what it prints goes to a file in ``folder``."""
    with (folder / "said.txt").open("a") as said, redirect_stdout(said), redirect_stderr(said):
        assert main([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder for runs, their cache and what was printed while they were made; the data lies elsewhere."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDGRAFT_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture(scope="module")
def labelled(place, tmp_path_factory):
    data = class_folders(tmp_path_factory.mktemp("ct") / "shapes", lambda shape, number: f"{shape}{number:02d}.dcm")
    silently(place, "fit", data, "--out", place / "ct", *QUICK, "--window", "40/400")
    return data, Run(place / "ct")


@pytest.fixture(scope="module")
def segmented(place, tmp_path_factory):
    data = marked_scans(tmp_path_factory.mktemp("seg") / "scans")
    silently(place, "fit", data, "--out", place / "seg", *QUICK, "--epochs", "1", "--batch-size", "8")
    return data, Run(place / "seg")


def test_labels_of_dicom_files_are_learnt_and_predicted_with_the_window_that_was_asked_for(labelled, tmp_path, capsys):
    _, run = labelled
    assert run.recipe.window == "40/400" == run.model_info["window"]
    assert run.scores.test["auc"].value > 0.9
    rows = run.predictions
    assert rows["group"].str.fullmatch(r"patient-[0-9a-f]{12}").all() and rows["group"].nunique() >= 2
    assert main(["predict", str(run.folder), *rows["image"], "--out", str(tmp_path)]) == 0
    found = pd.read_csv(tmp_path / "predictions.csv")
    np.testing.assert_allclose(found["p_disc"], rows["p_disc"], atol=2e-4)
    # Through another window the same model sees other pictures.
    other = replace(run.label_predictor, window="-900/100")
    seen = np.array([other.predict(image).probabilities[1] for image in rows["image"]])
    assert np.abs(seen - rows["p_disc"]).max() > 1e-3
    assert "percentile" in " ".join(run.environment["data"]["notes"])


def test_segmentations_are_learnt_and_a_dicom_file_is_outlined(segmented, tmp_path, capsys):
    data, run = segmented
    assert run.task == "segmentation" and run.model_info["classes"]["names"] == ["background", "lesion"]
    notes = " ".join(run.environment["data"]["notes"])
    assert "24 DICOM images with masks from 8 segmentations (lesion)" in notes and "8 patients" in notes
    assert "8 images of segmented series are marked by no frame, so their masks are empty" in notes
    tall = make(tmp_path / "new" / "tall.dcm", np.pad(drawn("disc", 5)[0] + 1024, ((0, 30), (0, 0))).astype(np.uint16))
    stack = make(tmp_path / "new" / "stack", np.full((2, 20, 30), 1024, np.uint16), NumberOfFrames=2)
    assert main(["predict", str(run.folder), str(tall), str(stack), "--out", str(tmp_path / "out")]) == 0
    assert cv2.imread(str(tmp_path / "out" / "tall_mask.png"), cv2.IMREAD_UNCHANGED).shape == (78, 48)
    assert {file.name for file in (tmp_path / "out").glob("stack*mask.png")} == {"stack-1_mask.png", "stack-2_mask.png"}
    assert main(["predict", str(run.folder), str(tmp_path / "new"), "--out", str(tmp_path / "all")]) == 0
    assert len(list((tmp_path / "all").glob("*_mask.png"))) == 3
    # A folder of folders, with a segmentation in each.
    assert main(["predict", str(run.folder), str(data), "--out", str(tmp_path / "below")]) == 0
    assert len(list((tmp_path / "below").rglob("*_mask.png"))) == 24


def found_in(folder, words):
    """Files below ``folder`` whose name or content holds one of the words, in any case."""
    wanted = [word.lower().encode() for word in words]
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    return [
        file for file in files if any(w in str(file).lower().encode() or w in file.read_bytes().lower() for w in wanted)
    ]


def test_nothing_of_a_patient_is_written(labelled, segmented, place, tmp_path):
    few = class_folders(tmp_path / "few", lambda shape, number: f"{shape}{number}", count=6)
    silently(place, "fit", few, "--out", place / "folds", *QUICK, "--folds", "2")
    for data, run in (labelled, segmented):
        files = [file for file in sorted(data.rglob("*")) if file.is_file() and file.name != "seg.dcm"][:3]
        silently(place, "predict", run.folder, *files, "--out", place / "predicted" / data.name)
        silently(place, "report", run.folder)
    assert "6 patients" in (place / "said.txt").read_text() and len(list((place / "cache" / "stores").iterdir())) == 3
    assert found_in(place, SECRETS) == []
    (place / "copy").write_bytes(next(labelled[0].rglob("*.dcm")).read_bytes())
    assert found_in(place, SECRETS) == [place / "copy"]  # they would be found
    (place / "copy").unlink()


def test_names_of_files_that_tell_who_it_is_stay_out_too(tmp_path, monkeypatch):
    (tmp_path / "made").mkdir()
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "made" / "cache"))
    data = class_folders(
        tmp_path / "shapes", lambda shape, n: f"Trzmielowska{n % 6}_Zaphodiusz/{shape} MRN-7261{n % 6:02d} {n}"
    )
    silently(tmp_path / "made", "fit", data, "--out", tmp_path / "made" / "run", *QUICK)
    run = Run(tmp_path / "made" / "run")
    rows = run.predictions
    assert rows["image"].tolist() == rows["id"].tolist() and set(rows["target"]) == {"disc", "cross"}
    assert rows["id"].str.fullmatch(r"image-[0-9a-f]{12}").all()
    assert run.environment["data"]["root"] == "shapes"
    report = (run.folder / "report.html").read_text()
    assert "images are called by hashes" in report and "data:image/jpeg" in report
    assert "is not there any more" not in report
    assert found_in(tmp_path / "made", SECRETS) == []


def test_an_inspection_tells_of_no_patient_whatever_is_wrong(tmp_path):
    """In folders with names: files that are missing, cut short, no DICOM, of two labels, listed twice, in no table."""
    data, made = tmp_path / "Trzmielowska1", tmp_path / "made"
    made.mkdir()
    rows = ["file,label"]
    for number in range(12):
        for shape in ("disc", "cross"):
            file = f"Trzmielowska{number % 6}/{shape}_{number}.dcm"
            save(data / file, scan(shape, number + 100 * (shape == "cross"), number % 6))
            rows.append(f"{file},{shape}")
    cut = data / "Trzmielowska2/disc_2.dcm"
    cut.write_bytes(cut.read_bytes()[:-900])
    (data / "Trzmielowska3/disc_3.dcm").write_bytes(b"garbage" * 30)
    save(data / "Trzmielowska5/stray.dcm", scan("disc", 77, 5))
    rows += ["Trzmielowska4/missing.dcm,disc", "Trzmielowska4/disc_4.dcm,disc", "Trzmielowska5/disc_5.dcm,cross"]
    (data / "labels.csv").write_text("\n".join(rows) + "\n")
    out = ["--out", made / "inspect"]
    with (made / "said.txt").open("w") as said, redirect_stdout(said):
        words = ["inspect", data / "labels.csv", *out, "--fix-list", tmp_path / "out.txt"]
        assert main([str(word) for word in words]) == 0
    found = json.loads((made / "inspect" / "audit.json").read_text())
    kinds = {finding["kind"] for finding in found["findings"]}
    assert kinds >= {"missing-files", "unreadable-files", "two-labels", "listed-twice", "unlisted-files"}
    assert found["summary"]["root"] == "dicom"
    assert found_in(made, SECRETS) == []
    # What has no content to be called by stands in the list, as nothing could be left out otherwise.
    assert main(["inspect", str(data / "labels.csv"), "--exclude", str(tmp_path / "out.txt"), *map(str, out)]) == 0
    assert json.loads((made / "inspect" / "audit.json").read_text())["counts"]["error"] == 0


def test_an_inspection_shows_pictures_through_the_window_that_was_asked_for(tmp_path):
    data = class_folders(tmp_path / "shapes", lambda shape, number: f"{shape}{number:02d}.dcm", count=3)
    for window, grey in (("-3000/100", 255), ("3000/100", 0)):
        page = inspect(data, out=tmp_path / "out", observer=Observer(), window=window).page.read_text()
        pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
        seen = [cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), 0) for text in pictures]
        assert len(seen) >= 6 and all(np.abs(picture.astype(int) - grey).max() < 3 for picture in seen)


def test_a_run_resumes_and_one_of_before_the_option_opens(labelled, tmp_path, capsys):
    data, run = labelled
    assert main(["fit", str(data), "--out", str(run.folder), "--resume"]) == 0
    assert "is finished" in capsys.readouterr().out
    info = json.loads((run.folder / "model.json").read_text())
    older = tmp_path / "older"
    older.mkdir()
    for name in ("model.safetensors", "scores.json", "environment.json"):
        (older / name).write_bytes((run.folder / name).read_bytes())
    (older / "model.json").write_text(json.dumps({key: value for key, value in info.items() if key != "window"}))
    recipe = [line for line in (run.folder / "recipe.yaml").read_text().splitlines() if not line.startswith("window")]
    (older / "recipe.yaml").write_text("\n".join(recipe))
    assert Run(older).label_predictor.window == "auto" == Run(older).recipe.window


def test_a_window_for_pictures_that_need_none_is_said_to_have_no_effect(pairs, capsys):
    assert main(["fit", str(pairs), "--dry-run", "--size", "64", "--window", "-600/1500"]) == 0
    said = capsys.readouterr().out
    assert "# window -600/1500 has no effect: no image holds measured values" in said
    assert "window: -600/1500" in said


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("40/0", "window: a window is auto, full, percentile"),
        ("LUNG", "has no window LUNG, it has no window of its own"),
    ],
)
def test_a_window_that_is_none_ends_in_one_sentence(labelled, tmp_path, capsys, option, reason):
    assert main(["fit", str(labelled[0]), "--out", str(tmp_path / "run"), "--window", option, *QUICK]) == 2
    assert reason in capsys.readouterr().err and not (tmp_path / "run").exists()
