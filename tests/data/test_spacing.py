"""The size of a pixel: what DICOM, NIfTI and NRRD files say of it, and what is not believed."""

import math

import nibabel as nib
import nrrd
import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

import dicom_making
from medgraft.data.formats.spacing import Spacings, slice_distance_of, spacing_of
from medgraft.errors import DataError

PIXELS = np.zeros((6, 8), np.uint16)


def dicom(path, pixels=PIXELS, **elements):
    """A DICOM file that says of sizes what ``elements`` say, and nothing else."""
    made = dicom_making.dataset(pixels)
    del made.PixelSpacing
    for name, value in elements.items():
        setattr(made, name, value)
    return dicom_making.save(path / "picture.dcm", made)


def region(x=0.02, y=0.03, unit=3, form=1):
    found = Dataset()
    found.RegionSpatialFormat, found.PhysicalUnitsXDirection, found.PhysicalUnitsYDirection = form, unit, unit
    found.PhysicalDeltaX, found.PhysicalDeltaY = x, y
    return found


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"PixelSpacing": [0.5, 0.25]}, (0.5, 0.25)),
        ({"PixelSpacing": [0.5, 0.25], "ImagerPixelSpacing": [9, 9]}, (0.5, 0.25)),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"ImagerPixelSpacing": [0.2, 0.1], "EstimatedRadiographicMagnificationFactor": 1.25}, (0.16, 0.08)),
        ({"NominalScannedPixelSpacing": [0.3, 0.3], "ImagerPixelSpacing": [0, 0]}, (0.3, 0.3)),
        ({"PixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [-1, 1]}, None),
        ({"PixelSpacing": None}, None),
        ({"PixelSpacing": [1, 1, 1]}, None),
        ({}, None),
        ({"PixelAspectRatio": [4, 3]}, None),
        ({"SequenceOfUltrasoundRegions": [region()]}, (0.3, 0.2)),
        ({"SequenceOfUltrasoundRegions": [region(x=-0.02), region()]}, (0.3, 0.2)),
        ({"SequenceOfUltrasoundRegions": [region(), region(unit=4, form=4)]}, (0.3, 0.2)),
        ({"SequenceOfUltrasoundRegions": [region(), region(x=0.05)]}, None),
        ({"SequenceOfUltrasoundRegions": [region(unit=0)]}, None),
        ({"SequenceOfUltrasoundRegions": [region(x=None)]}, None),
    ],
)
def test_what_a_dicom_file_says(tmp_path, elements, expected):
    # Rows first: 0.5 mm from one row to the next, 0.25 mm from one column to the next.
    found = spacing_of(dicom(tmp_path, **elements))
    assert found == (expected if expected is None else pytest.approx(expected))
    assert slice_distance_of(tmp_path / "picture.dcm") is None


def test_a_frame_has_measures_of_its_own(tmp_path):
    groups = []
    for side in (0.5, 0.75):
        measures, group = Dataset(), Dataset()
        measures.PixelSpacing = [side, side]
        group.PixelMeasuresSequence = [measures]
        groups.append(group)
    frames = np.zeros((2, 6, 8), np.uint16)
    file = dicom(tmp_path, frames, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=groups)
    assert (spacing_of(f"{file}#1"), spacing_of(f"{file}#2")) == ((0.5, 0.5), (0.75, 0.75))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CT_small.dcm", 0.661468),
        ("eCT_Supplemental.dcm", 0.388672),
        ("examples_palette.dcm", 0.2622878766),
        ("RG1_UNCR.dcm", None),
    ],
)
def test_real_files(name, expected):
    file = get_testdata_file(name)
    assert spacing_of(file) == (expected and pytest.approx((expected, expected)))


def test_a_size_that_is_no_number_is_unknown_and_no_reason_to_stop(tmp_path):
    file = dicom(tmp_path, PixelSpacing=[0.125, 0.125])
    content = file.read_bytes()
    assert content.count(b"0.125\\0.125 ") == 1
    file.write_bytes(content.replace(b"0.125\\0.125 ", b"wide \\narrow"))
    assert spacing_of(file) is None


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path):
    for name in ("gone.dcm", "gone.nii.gz", "gone.nrrd"):
        with pytest.raises(DataError, match=name):
            spacing_of(tmp_path / f"{name}#axial-0" if "dcm" not in name else tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_the_resolution_of_a_screen_or_a_printer_is_not_believed(tmp_path, name):
    Image.new("L", (8, 6)).save(tmp_path / name, dpi=(254, 254))
    assert spacing_of(tmp_path / name) is None


def nifti(path, zooms=(0.5, 0.75, 4.0), codes="RAS", unit="mm"):
    """A volume of these distances towards the right, the front and the head, its axes stored in another order."""
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.diag([*zooms, 1.0]))
    image.header.set_xyzt_units(unit)
    start, end = (nib.orientations.axcodes2ornt(way) for way in ("RAS", codes))
    image.as_reoriented(nib.orientations.ornt_transform(start, end)).to_filename(path)
    return path


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SRA", "PIR"])
def test_the_plane_of_a_slice_decides_whatever_way_a_volume_is_stored(tmp_path, codes):
    file = nifti(tmp_path / "scan.nii.gz", codes=codes)
    expected = {"axial": ((0.75, 0.5), 4.0), "coronal": ((4.0, 0.5), 0.75), "sagittal": ((4.0, 0.75), 0.5)}
    for axis, (spacing, distance) in expected.items():
        assert spacing_of(f"{file}#{axis}-1") == spacing
        assert slice_distance_of(f"{file}#{axis}-1") == distance


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("unknown", 1), ("micron", 0.001), ("meter", 1000)])
def test_the_unit_of_a_nifti_file_is_turned_to_mm(tmp_path, unit, factor):
    file = nifti(tmp_path / "scan.nii", unit=unit)
    assert spacing_of(f"{file}#axial-0") == pytest.approx((0.75 * factor, 0.5 * factor))


def test_an_oblique_volume_keeps_the_distance_between_its_voxels(tmp_path):
    turn = np.eye(4)
    turn[:2, :2] = [[math.cos(0.4), -math.sin(0.4)], [math.sin(0.4), math.cos(0.4)]]
    nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), turn @ np.diag([0.5, 0.75, 4, 1])).to_filename(tmp_path / "a.nii")
    assert spacing_of(tmp_path / "a.nii#axial-0") == pytest.approx((0.75, 0.5))


def test_a_header_that_was_never_filled_in_says_nothing(tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), None)
    image.to_filename(tmp_path / "bare.nii")
    assert spacing_of(tmp_path / "bare.nii#axial-0") is None
    assert slice_distance_of(tmp_path / "bare.nii#axial-0") is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"space directions": np.diag([0.5, 0.75, 4]), "space": "left-posterior-superior"}, (0.75, 0.5)),
        ({"space directions": np.diag([500.0, 750, 4000]), "space": "LPS", "space units": ["um"] * 3}, (0.75, 0.5)),
        ({"space directions": np.diag([1.0, 1, 1]), "space": "LPS", "space units": ["parsec"] * 3}, None),
        ({"spacings": [0.5, 0.75, 4.0]}, (0.75, 0.5)),
        ({}, None),
    ],
)
def test_what_an_nrrd_file_says(tmp_path, header, expected):
    nrrd.write(str(tmp_path / "scan.nrrd"), np.zeros((4, 5, 6), np.int16), header)
    found = spacing_of(tmp_path / "scan.nrrd#axial-2")
    assert found == (expected and pytest.approx(expected))
    assert slice_distance_of(tmp_path / "scan.nrrd#axial-2") == (expected and pytest.approx(4))


def test_one_unit_for_all_pictures_and_a_note_where_they_differ():
    assert Spacings.of([(1, 1), (0.5, 0.5)]) == Spacings(((1, 1), (0.5, 0.5)))
    assert Spacings.of([None, None]) == Spacings(None, "")
    mixed = Spacings.of([(1, 1), None, None])
    assert mixed[0] is None and mixed[2] is None
    assert "1 of 3 files" in mixed.note and "pixels for all" in mixed.note


def test_a_mask_says_it_where_the_image_does_not(tmp_path):
    Image.new("L", (8, 6)).save(tmp_path / "a.png")
    found = Spacings.read([(tmp_path / "a.png", dicom(tmp_path, PixelSpacing=[0.5, 0.25]))])
    assert found[0] == (0.5, 0.25)
