"""Masks as NIfTI and as DICOM segmentations: where their sources lie, and little of the patient."""

import re
import shutil

import cv2
import highdicom
import nibabel as nib
import nrrd
import numpy as np
import pandas as pd
import pydicom
import pytest
from predicting import BINARY, THREE, call, mask_run, pixels, snapshot
from pydicom.data import get_testdata_file
from pydicom.uid import ComputedRadiographyImageStorage

from dicom_making import dataset, make, save, uid
from medgraft.data import read_image, read_mask
from medgraft.data.formats import parts_of
from medgraft.errors import DataError, EngineError, RecipeError
from medgraft.pipeline.predict import PredictOptions, predict_files
from medgraft.progress import Observer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return mask_run(tmp_path_factory.mktemp("runs") / "masker")


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    return mask_run(tmp_path_factory.mktemp("runs") / "classes", seed=3, classes=THREE)


def volume(file, shape=(20, 24, 7), affine=None):
    """A volume of noise with a bright block, stored left, front, head (or by ``affine``)."""
    values = np.random.default_rng(0).integers(0, 90, shape, dtype=np.int16)
    values[4:12, 6:18, 2:5] += 200
    nib.Nifti1Image(values, np.diag([2.0, 2.0, 3.0, 1.0]) if affine is None else affine).to_filename(file)
    return file


TURNED = np.array([[0, 0, -3.0, 40], [2.5, 0, 0, -10], [0, -2.0, 0, 7], [0, 0, 0, 1]])


@pytest.mark.parametrize("affine", [None, TURNED], ids=["straight", "turned"])
@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii"])
def test_slices_make_a_volume_again(classes, tmp_path, capsys, name, affine):
    source = volume(tmp_path / name, affine=affine)
    code, out, err = call(capsys, classes.folder, source, "--out", tmp_path / "o", "--no-overlays")
    assert (code, err) == (0, "")
    assert out.split() == [str(tmp_path / "o" / "scan_mask.nii.gz"), str(tmp_path / "o" / "predictions.csv")]
    image, mask = nib.load(source), nib.load(tmp_path / "o/scan_mask.nii.gz")
    assert mask.shape == image.shape and np.array_equal(mask.affine, image.affine)
    assert mask.get_data_dtype() == np.uint8 and nib.aff2axcodes(mask.affine) == nib.aff2axcodes(image.affine)
    # Read back as a mask by the project's own readers, every slice is what it was predicted as.
    addresses = parts_of(source)
    for address, single in zip(addresses, classes.predict(addresses), strict=True):
        part = address.rpartition("#")[2]
        assert np.array_equal(read_mask(f"{tmp_path}/o/scan_mask.nii.gz#{part}"), single.mask)
    table = pd.read_csv(tmp_path / "o/predictions.csv")
    assert table["image"].tolist() == addresses and set(table["mask"]) == {"scan_mask.nii.gz"}
    whole = np.asarray(mask.dataobj)
    assert table["area_grey"].mean() == pytest.approx((whole == 1).mean())
    assert len(np.unique(whole)) > 1


def test_nrrd_becomes_nifti_in_the_same_place(run, tmp_path):
    """NRRD counts towards left and back (LPS), NIfTI towards right and front: the same points in space."""
    values = np.random.default_rng(1).integers(0, 255, (9, 10, 4)).astype(np.int16)
    header = {
        "space": "left-posterior-superior",
        "space directions": np.diag([1.5, 2.0, 3.0]),
        "space origin": [4, 5, 6],
    }
    nrrd.write(str(tmp_path / "v.nrrd"), values, header)
    predict_files(run.folder, [tmp_path / "v.nrrd"], PredictOptions(out=tmp_path / "o"), Observer())
    mask = nib.load(tmp_path / "o/v_mask.nii.gz")
    assert mask.shape == values.shape
    np.testing.assert_allclose(mask.affine, [[-1.5, 0, 0, -4], [0, -2, 0, -5], [0, 0, 3, 6], [0, 0, 0, 1]])


@pytest.mark.parametrize(("unit", "kept"), [("micron", "micron"), ("meter", "meter"), ("mm", "mm"), (None, "mm")])
def test_a_volume_in_another_unit_has_a_mask_in_that_unit(run, tmp_path, unit, kept):
    """A mask said to be in mm would be a thousand times as large as a scan that counts in micrometres."""
    image = nib.load(volume(tmp_path / "scan.nii"))
    image.header.set_xyzt_units(unit)
    image.to_filename(tmp_path / "in.nii")
    predict_files(run.folder, [tmp_path / "in.nii"], PredictOptions(tmp_path / "o", overlays=False), Observer())
    mask = nib.load(tmp_path / "o/in_mask.nii.gz")
    assert np.array_equal(mask.affine, image.affine) and mask.header.get_xyzt_units()[0] == kept


def test_an_nrrd_volume_in_centimetres_has_a_mask_in_millimetres(run, tmp_path):
    """NIfTI has no centimetres."""
    header = {"space": "RAS", "space directions": np.diag([0.1, 0.2, 0.3]), "space origin": [1, 2, 3]}
    nrrd.write(str(tmp_path / "v.nrrd"), np.zeros((9, 10, 4), np.int16), header | {"space units": ["cm"] * 3})
    predict_files(run.folder, [tmp_path / "v.nrrd"], PredictOptions(tmp_path / "o", overlays=False), Observer())
    mask = nib.load(tmp_path / "o/v_mask.nii.gz")
    np.testing.assert_allclose(mask.affine, [[1, 0, 0, 10], [0, 2, 0, 20], [0, 0, 3, 30], [0, 0, 0, 1]], rtol=1e-6)
    assert mask.header.get_xyzt_units()[0] == "mm"


def test_each_kind_of_input_gets_what_suits_it(run, tmp_path, capsys):
    volume(tmp_path / "scan.nii.gz")
    cv2.imwrite(str(tmp_path / "photo.png"), pixels(0))
    make(tmp_path / "xray.dcm", pixels(1).astype(np.uint16) * 9)
    code, _, _ = call(capsys, run.folder, tmp_path / "*.*", "--out", tmp_path / "o")
    masks = {path.name for path in (tmp_path / "o").glob("*_mask.*")}
    assert code == 0 and masks == {"scan_mask.nii.gz", "photo_mask.png", "xray_mask.png"}
    code, _, _ = call(capsys, run.folder, tmp_path / "*.*", "--out", tmp_path / "p", "--masks", "png")
    assert code == 0 and len(list((tmp_path / "p").glob("scan-axial-?_mask.png"))) == 7
    table = pd.read_csv(tmp_path / "o/predictions.csv")
    assert table["image"].tolist() == pd.read_csv(tmp_path / "p/predictions.csv")["image"].tolist()


def test_a_part_of_a_volume_is_no_volume(run, tmp_path, capsys):
    source = volume(tmp_path / "scan.nii.gz")
    code, out, _ = call(capsys, run.folder, f"{source}#axial-3", "--out", tmp_path / "o")
    assert code == 0 and out.split()[0].endswith("scan-axial-3_mask.png")
    with pytest.raises(DataError, match="of a whole volume"):
        predict_files(run.folder, [f"{source}#axial-3"], PredictOptions(tmp_path / "p", masks="nifti"), Observer())


def test_a_volume_of_which_a_part_cannot_be_read_has_no_mask(run, tmp_path, capsys):
    file = volume(tmp_path / "scan.nii.gz")
    file.write_bytes(file.read_bytes()[:-1500])
    volume(tmp_path / "whole.nii")
    code, out, err = call(capsys, run.folder, tmp_path / "*.nii*", "--out", tmp_path / "o")
    assert code == 2 and "7 of 14 images could not be read" in err and err.count("scan.nii.gz: ") == 1
    assert [line.rpartition("/")[2] for line in out.split()] == ["whole_mask.nii.gz", "predictions.csv"]
    assert len(pd.read_csv(tmp_path / "o/errors.csv")) == 7 and not (tmp_path / "o/scan_mask.nii.gz").exists()


def test_resumed_volumes_are_done_as_a_whole(run, tmp_path):
    for name in ("a.nii", "b.nii"):
        volume(tmp_path / name)

    class Broken(Observer):
        def say(self, line):
            if line.endswith("b_mask.nii.gz"):
                raise KeyboardInterrupt

    words = run.folder, [tmp_path / "a.nii", tmp_path / "b.nii"]
    with pytest.raises(KeyboardInterrupt):
        predict_files(*words, PredictOptions(out=tmp_path / "broken"), Broken())
    predict_files(*words, PredictOptions(out=tmp_path / "broken", resume=True), Observer())
    predict_files(*words, PredictOptions(out=tmp_path / "whole"), Observer())
    ours, theirs = (snapshot(tmp_path / name) for name in ("broken", "whole"))
    assert ours.keys() == theirs.keys() and ours["predictions.csv"] == theirs["predictions.csv"]
    for name in ("a", "b"):
        one, other = (nib.load(tmp_path / place / f"{name}_mask.nii.gz") for place in ("broken", "whole"))
        assert np.array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))


# -- DICOM segmentations ----------------------------------------------------------------------------------------------

KNOWN = {"patient": "MRN-1", "PatientName": "Trzmielowska^Zaphodia", "PatientBirthDate": "19310527", "PatientSex": "F"}
UNNEEDED = {
    "PatientAge": "094Y", "PatientAddress": "Secret Road 1", "OtherPatientIDs": "SECRET-2", "PatientComments": "Secret",
    "StudyDescription": "Secret study", "InstitutionName": "Secret Hospital", "ReferringPhysicianName": "Secret^Doctor",
    "PhysiciansOfRecord": "Secret^Other", "OperatorsName": "Secret^Operator", "SeriesDescription": "Secret series",
    "ProtocolName": "Secret protocol", "RequestingPhysician": "Secret^Asker", "StationName": "SECRET",
}  # fmt: skip


def series(folder, count=5, **more):
    """Slices of a CT series, saved in another order than they lie in the patient."""
    made = [
        dataset(
            pixels(n).astype(np.uint16) * 9, number=n + 1, bits=12, AccessionNumber="ACC-7", **(KNOWN | UNNEEDED | more)
        )
        for n in range(count)
    ]
    for n, one in enumerate(made):
        save(folder / f"IM{(n * 3) % count:04d}", one)
    return folder


def test_a_segmentation_points_at_the_slices_of_its_series(classes, tmp_path, capsys):
    folder = series(tmp_path / "ct")
    code, out, err = call(capsys, classes.folder, folder, "--out", tmp_path / "o", "--masks", "dicom")
    assert (code, err) == (0, "") and out.split()[0] == str(tmp_path / "o" / "ct_mask.dcm")
    made = highdicom.seg.segread(tmp_path / "o/ct_mask.dcm")
    assert [made.get_segment_description(n).segment_label for n in (1, 2)] == ["grey", "white"]
    files = sorted(folder.iterdir())
    sources = [pydicom.dcmread(file) for file in files]
    assert made.StudyInstanceUID == sources[0].StudyInstanceUID
    assert made.SeriesInstanceUID != sources[0].SeriesInstanceUID
    found = made.get_pixels_by_source_instance(
        [source.SOPInstanceUID for source in sources], combine_segments=True, assert_missing_frames_are_empty=True
    )
    for file, mask, single in zip(files, found, classes.predict(files), strict=True):
        assert np.array_equal(mask, single.classes), file
    assert len(np.unique(found)) > 1
    table = pd.read_csv(tmp_path / "o/predictions.csv")
    assert table["image"].tolist() == [str(file) for file in files] and set(table["mask"]) == {"ct_mask.dcm"}


def test_of_the_patient_it_holds_what_files_it_and_no_more(run, tmp_path):
    folder = series(tmp_path / "ct")
    predict_files(run.folder, [folder], PredictOptions(tmp_path / "o", masks="dicom"), Observer())
    made = pydicom.dcmread(tmp_path / "o/ct_mask.dcm")
    assert (made.PatientID, str(made.PatientName), made.PatientBirthDate, made.PatientSex, made.AccessionNumber) == (
        "MRN-1", "Trzmielowska^Zaphodia", "19310527", "F", "ACC-7"
    )  # fmt: skip
    raw = (tmp_path / "o/ct_mask.dcm").read_bytes()
    assert not re.search(rb"secret", raw, re.IGNORECASE) and b"094Y" not in raw
    others = [data for name, data in snapshot(tmp_path / "o").items() if name != "ct_mask.dcm"]
    assert not any(b"Trzmielowska" in data or b"MRN-1" in data for data in others)


def test_the_same_prediction_has_the_same_uid_and_another_another(run, tmp_path):
    folder = series(tmp_path / "ct", count=2)
    found = []
    for place, threshold in (("a", None), ("b", None), ("c", 0.2)):
        options = PredictOptions(tmp_path / place, masks="dicom", threshold=threshold)
        predict_files(run.folder, [folder], options, Observer())
        found.append(pydicom.dcmread(tmp_path / place / "ct_mask.dcm").SOPInstanceUID)
    assert found[0] == found[1] != found[2]


def test_the_project_trains_on_what_it_wrote(run, tmp_path):
    """A segmentation beside its series is opened as images with masks."""
    from medgraft.data import open_data

    folder = series(tmp_path / "ct")
    predict_files(run.folder, [folder], PredictOptions(tmp_path / "o", masks="dicom"), Observer())
    (tmp_path / "o/ct_mask.dcm").rename(folder / "seg.dcm")
    table = open_data(tmp_path / "ct").table
    for row in table.itertuples():
        assert np.array_equal(read_mask(row.target), run.predict(row.image).classes)


def test_frames_of_one_file_and_pictures_without_a_place(run, tmp_path):
    """The frames of an enhanced file are one segmentation; X-rays, which lie nowhere in the patient, are one each."""
    (tmp_path / "in").mkdir()
    shutil.copy(get_testdata_file("eCT_Supplemental.dcm", download=False), tmp_path / "in/stack.dcm")
    for number in (1, 2):
        alone = dataset(pixels(number).astype(np.uint16) * 9, number=10 + number, series="xrays", bits=12)
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "SliceThickness"):
            delattr(alone, keyword)
        alone.SOPClassUID = alone.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
        alone.Modality = "CR"
        save(tmp_path / f"in/x{number}.dcm", alone)
    predicted = predict_files(run.folder, [tmp_path / "in"], PredictOptions(tmp_path / "o", masks="dicom"), Observer())
    predicted.raise_failed()
    assert {row["mask"] for row in predicted.rows} == {"stack_mask.dcm", "x1_mask.dcm", "x2_mask.dcm"}
    for number in (1, 2):
        mask = read_mask(tmp_path / f"o/x{number}_mask.dcm")
        assert np.array_equal(mask, run.predict(tmp_path / f"in/x{number}.dcm").classes)
    made = highdicom.seg.segread(tmp_path / "o/stack_mask.dcm")
    instance = pydicom.dcmread(tmp_path / "in/stack.dcm", stop_before_pixels=True).SOPInstanceUID
    frames = made.get_pixels_by_source_frame(
        instance, [1, 2], combine_segments=True, assert_missing_frames_are_empty=True
    )
    for frame, single in zip(frames, run.predict(parts_of(tmp_path / "in/stack.dcm")), strict=True):
        assert np.array_equal(frame, single.classes)
    with pytest.raises(RecipeError, match="of all frames"):
        one = [f"{tmp_path}/in/stack.dcm#2"]
        predict_files(run.folder, one, PredictOptions(tmp_path / "p", masks="dicom"), Observer())


def test_frames_that_lie_nowhere_are_an_error_of_their_own(run, tmp_path):
    """As of an ultrasound: the standard has no segmentation that says which frame it marks by its place."""
    stack = np.stack([pixels(n) for n in range(3)]).astype(np.uint16) * 9
    save(tmp_path / "in/stack.dcm", dataset(stack, NumberOfFrames=3, bits=12))
    make(tmp_path / "in/x.dcm", pixels(0).astype(np.uint16), number=2)
    predicted = predict_files(run.folder, [tmp_path / "in"], PredictOptions(tmp_path / "o", masks="dicom"), Observer())
    assert [row["mask"] for row in predicted.rows] == ["x_mask.dcm"] and len(predicted.failed) == 3
    assert "stack.dcm: a DICOM segmentation cannot point at it" in predicted.failed[0][1]


def test_two_series_of_one_folder_are_two_files(run, tmp_path):
    for name in ("one", "two"):
        for n in range(2):
            make(tmp_path / f"in/{name}{n}.dcm", pixels(n).astype(np.uint16) * 9, number=n + 1, series=name, bits=12)
    predicted = predict_files(run.folder, [tmp_path / "in"], PredictOptions(tmp_path / "o", masks="dicom"), Observer())
    assert [row["mask"] for row in predicted.rows] == ["in_mask.dcm"] * 2 + ["in-2_mask.dcm"] * 2
    assert pydicom.dcmread(tmp_path / "o/in-2_mask.dcm").ReferencedSeriesSequence[0].SeriesInstanceUID == uid(
        "study", "two"
    )


def test_a_mask_with_nothing_in_it(run, tmp_path):
    folder = series(tmp_path / "ct", count=2)
    predict_files(run.folder, [folder], PredictOptions(tmp_path / "o", masks="dicom", threshold=0.999999), Observer())
    made = pydicom.dcmread(tmp_path / "o/ct_mask.dcm")
    assert not made.pixel_array.any() and BINARY.count == 2


def test_without_highdicom_the_extra_is_named(run, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "highdicom", None)
    make(tmp_path / "x.dcm", pixels(0).astype(np.uint16))
    with pytest.raises(EngineError, match=r"pip install 'medgraft\[dicom\]'"):
        predict_files(run.folder, [tmp_path / "x.dcm"], PredictOptions(tmp_path / "o", masks="dicom"), Observer())
    assert not (tmp_path / "o").exists() and read_image(tmp_path / "x.dcm").shape == (40, 56, 3)
