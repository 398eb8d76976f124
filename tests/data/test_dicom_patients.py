"""DICOM images in all layouts: their patients become groups, and nothing that tells who they are leaves the files."""

from unicodedata import normalize

import numpy as np
import pytest

from dicom_making import dataset, make, save, uid
from medgraft.data import open_data
from medgraft.data.formats.dicom_identity import alias, identity_of, tells
from medgraft.errors import DataError


def picture(seed):
    return np.random.default_rng(seed).integers(0, 4096, (16, 20)).astype(np.uint16)


def class_folders(folder, count=6, patients=3, **options):
    """Class folders a and b of DICOM files without an ending; patients have images of both."""
    for number in range(count):
        for place, name in enumerate(("a", "b")):
            patient = f"MRN-{(number + place) % patients:05d}"
            make(folder / name / f"IM{number}", picture(2 * number + place), patient=patient, number=number,
                 study=f"study {patient}", series=name, bits=12, **options)  # fmt: skip
    return folder


def test_patients_are_groups_and_have_no_name(tmp_path):
    manifest = open_data(class_folders(tmp_path / "set"))
    assert len(manifest) == 12 and manifest.classes.names == ("a", "b")
    groups = manifest.table["group"]
    assert groups.nunique() == 3 and all(groups.str.fullmatch(r"patient-[0-9a-f]{12}"))
    owners = [identity_of(tmp_path / "set" / name).patient for name in manifest.table["id"]]
    assert len(set(zip(groups, owners, strict=True))) == 3
    assert "MRN" not in manifest.table.to_csv() and not manifest.withheld
    assert "DICOM headers: 3 patients read as groups, by hashes of their ids" in manifest.notes
    assert manifest.table["id"].tolist()[:2] == ["a/IM0", "a/IM1"]


def test_names_of_patients_are_the_same_wherever_the_files_lie(tmp_path):
    first = open_data(class_folders(tmp_path / "one"))
    second = open_data(class_folders(tmp_path / "elsewhere" / "two"))
    assert first.table["group"].tolist() == second.table["group"].tolist()
    # Another patient's images make no difference to a name, ...
    more = class_folders(tmp_path / "more")
    for name in ("a", "b"):
        make(more / name / "IM99", picture(99), patient="MRN-99999", number=99)
    table = open_data(more).table
    assert set(first.table["group"]) < set(table["group"]) and table["group"].nunique() == 4


def test_without_the_images_an_id_cannot_be_looked_for():
    contents = [b"x" * 32, b"y" * 32]
    assert alias("patient", "mrn-1", contents) == alias("patient", "mrn-1", reversed(contents))
    assert alias("patient", "mrn-1", contents) != alias("patient", "mrn-2", contents)
    # ... all other images may be known: the same id with another image has another name.
    assert alias("patient", "mrn-1", contents[:1]) != alias("patient", "mrn-1", contents[1:])


def test_a_file_without_a_patient_has_its_study_and_without_that_stands_alone(tmp_path):
    for number, (patient, study) in enumerate(
        [("", "s1"), ("ANONYMOUS", "s1"), (None, "s2"), ("", ""), ("MRN-7", "s3")]
    ):
        made = dataset(picture(number), number=number, patient=patient or "", study=study or "none")
        if patient is None:
            del made.PatientID
        if not study:
            del made.StudyInstanceUID
        save(tmp_path / "ab"[number % 2] / f"{number}.dcm", made)
    manifest = open_data(tmp_path)
    groups = manifest.table.set_index("id")["group"].to_dict()
    assert groups["0"] == groups["1"] != groups["2"] and groups["0"].startswith("study-")
    assert groups["3"] == "image 3" and groups["4"].startswith("patient-")
    said = "\n".join(manifest.notes)
    assert "3 DICOM images name no patient; their 2 studies stand for them" in said
    assert "1 images name neither patient nor study, and stand alone" in said


def test_a_patient_in_two_splits_is_refused(tmp_path):
    for seed in range(8):
        file = tmp_path / ("train" if seed < 4 else "test") / "ab"[seed % 2] / f"{seed}.dcm"
        make(file, picture(seed), patient=f"MRN-{seed % 3}", number=seed)
    with pytest.raises(DataError, match=r"3 groups \(patients\) have images in more than one split: patient-") as found:
        open_data(tmp_path)
    assert "MRN" not in str(found.value)


def test_folders_that_are_patients_are_no_classes(tmp_path):
    for patient in ("x", "y", "z"):
        for number in range(3):
            make(tmp_path / patient / f"{number}.dcm", picture(number), patient=f"MRN-{patient}", number=number)
    with pytest.raises(DataError, match=r"each patient has a class of its own.* give a CSV with the labels"):
        open_data(tmp_path)


def test_a_table_of_dicom_files_and_of_frames(tmp_path):
    for number in range(4):
        make(tmp_path / "scans" / f"{number}.dcm", picture(number), patient=f"MRN-{number // 2}", number=number)
    frames = np.stack([picture(8), picture(9)])
    make(tmp_path / "scans" / "stack.dcm", frames, patient="MRN-9", NumberOfFrames=2)
    rows = [f"scans/{number}.dcm,{'ab'[number % 2]}" for number in range(4)]
    rows += ["scans/stack.dcm#1,a", "scans/stack.dcm#2,b"]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    table = open_data(tmp_path / "labels.csv").table
    assert table["group"].nunique() == 3 and table["group"].iloc[4] == table["group"].iloc[5]
    assert table["image"].iloc[5].endswith("stack.dcm#2")


def test_ids_in_a_table_beside_are_hashed_too(tmp_path):
    folder = class_folders(tmp_path / "set")
    lines = [f"{c}/IM{n},MRN-{(n + (c == 'b')) % 3:05d}" for n in range(6) for c in "ab"]
    (folder / "patients.csv").write_text("\n".join(["file,patient_id", *lines]))
    manifest = open_data(folder)
    assert manifest.table["group"].nunique() == 3 and all(manifest.table["group"].str.startswith("patient-"))
    assert "the groups are ids that the DICOM headers hold; hashes stand for them" in manifest.notes
    wards = "\n".join(["file,group", *(f"{c}/IM{n},ward {n % 2}" for n in range(6) for c in "ab")])
    (folder / "patients.csv").write_text(wards)
    assert sorted(open_data(folder).table["group"].unique()) == ["ward 0", "ward 1"]


def test_file_names_that_tell_who_it_is_are_withheld(tmp_path):
    for number in range(4):
        made = dataset(picture(number), number=number, patient=f"MRN-{number}", PatientName="Wrona^Zofia")
        save(tmp_path / "set" / "ab"[number % 2] / f"scan of ZOFIA {number}.dcm", made)
    manifest = open_data(tmp_path / "set")
    assert manifest.withheld and all(manifest.table["id"].str.fullmatch(r"image-[0-9a-f]{12}"))
    assert (
        "file names tell who a patient is, so images are called by hashes, and no path to them is kept"
        in manifest.notes
    )
    kept = [manifest.recorded(row) for row in range(4)]
    assert [row["image"] for row in kept] == manifest.table["id"].tolist()
    assert {"a", "b"} == {row["target"] for row in kept}
    assert "zofia" not in str(kept).lower() + str(manifest.notes).lower()
    assert "ZOFIA" in manifest.table["image"][0]  # whoever has the files can tell which is which


def test_a_data_folder_that_is_called_after_a_patient_lends_no_name(tmp_path):
    for number in range(4):
        made = dataset(picture(number), number=number, patient=f"MRN-{number}", PatientName="Wrona^Zofia")
        save(tmp_path / "Wrona scans" / "ab"[number % 2] / f"{number}.dcm", made)
    manifest = open_data(tmp_path / "Wrona scans")
    assert manifest.withheld and manifest.name == "dicom"
    assert "the data/: a folder a class, 4 images" in manifest.notes
    assert "wrona" not in " ".join(manifest.notes).lower()


@pytest.mark.parametrize("word", ["mrn-00042", "ACC777", "19480317", "1948-03-17", "17.03.1948", "03_17_1948", "Zofia"])
def test_what_is_looked_for_in_names(tmp_path, word):
    made = dataset(picture(1), patient="MRN-00042", PatientName="Li^Zofia", PatientBirthDate="19480317",
                   AccessionNumber="ACC777")  # fmt: skip
    words = identity_of(save(tmp_path / "a.dcm", made)).words
    assert tells(f"/data/x{word.upper()}y/1.dcm", words)
    assert not tells("/data/LI/other/1.dcm", words)  # two letters are in too many words
    assert tells(f"/data/{uid('study', 'series', 1)}.dcm", words)


def test_an_accent_is_found_however_it_is_written(tmp_path):
    made = dataset(picture(1), PatientName="Wróbel^Zofia", SpecificCharacterSet="ISO_IR 192")
    words = identity_of(save(tmp_path / "a.dcm", made)).words
    for form in ("NFC", "NFD"):
        assert tells(f"/data/{normalize(form, 'WRÓBEL')}/1.dcm", words)


def test_entries_of_a_list_that_name_nothing_are_counted_where_names_are_withheld(tmp_path):
    for number in range(6):
        made = dataset(picture(number), number=number, patient=f"MRN-{number}", PatientName="Wrona^Zofia")
        save(tmp_path / "set" / "ab"[number % 2] / f"scan of ZOFIA {number}.dcm", made)
    (tmp_path / "out.txt").write_text("a/scan of ZOFIA 0.dcm\na/scan of ZOFIA 77.dcm\n")
    manifest = open_data(tmp_path / "set", exclude=tmp_path / "out.txt")
    assert manifest.notes[-1] == "out.txt: 1 image left out; nothing here is called 1 name of the list"


def test_a_short_id_is_looked_for_as_a_word(tmp_path):
    words = identity_of(make(tmp_path / "a.dcm", picture(1), patient="7")).words
    assert tells("/data/patient_7/1.dcm", words) and not tells("/data/IM0017.dcm", words)


def test_an_image_that_asks_for_no_window_is_said(tmp_path):
    said = "\n".join(open_data(class_folders(tmp_path / "without")).notes)
    assert "12 of 12 DICOM files ask for no window: each is shown from the 0.5th to the 99.5th percentile" in said
    assert "for CT, one such as 40/400 (Hounsfield units) makes images alike" in said
    said = "\n".join(open_data(class_folders(tmp_path / "with", WindowCenter=40, WindowWidth=400)).notes)
    assert "window" not in said
