"""DICOM segmentations as masks, against highdicom."""

from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.uid import BasicTextSRStorage

from dicom_making import dataset, make, save, segmentation
from medgraft.data import open_data
from medgraft.data.formats import read_mask
from medgraft.data.formats.dicom_seg import part_of, read_segmentation
from medgraft.data.problems import collecting
from medgraft.errors import DataError

LIVER = Path(pytest.importorskip("data_store").__file__).parent / "data" / "liver.dcm"


def slices(count=5, series="series", **options):
    rng = np.random.default_rng(len(series))
    return [
        dataset(rng.integers(0, 4096, (24, 32)).astype(np.uint16), number=n, series=series, bits=12, **options)
        for n in range(1, count + 1)
    ]


def scene(folder, sources, segments=None):
    """Write slices as ``scan/NAME`` without an ending, and segmentations beside them; returns the folder."""
    for made in sources:
        save(folder / "scan" / f"IM{made.InstanceNumber:04d}", made)
    for name, made in (segments or {}).items():
        save(folder / name, made)
    return folder


def blocks(*areas, count=5):
    """Marks [N, 24, 32, segments], a pair of (slice, rows, columns) for each segment."""
    marks = np.zeros((count, 24, 32, len(areas)), np.uint8)
    for segment, (number, rows, columns) in enumerate(areas):
        marks[number, rows, columns, segment] = 1
    return marks


LEFT, RIGHT = slice(2, 9), slice(20, 30)


def test_a_real_segmentation_is_what_highdicom_reads():
    oracle = highdicom.seg.segread(LIVER)
    found = read_segmentation(LIVER)
    assert found.labels == {1: "Liver"} and len(found.frames) == 3
    for frame, (segment, source) in enumerate(found.frames, start=1):
        mask = read_mask(f"{LIVER}#{part_of([(segment, [frame])])}")
        expected = oracle.get_pixels_by_source_instance(
            [source.instance], combine_segments=True, ignore_spatial_locations=True
        )
        assert mask.any() and mask.dtype == np.uint8
        np.testing.assert_array_equal(mask, expected[0])
    assert not read_mask(f"{LIVER}#v0").any() and read_mask(f"{LIVER}#v0").shape == (512, 512)
    with pytest.raises(DataError, match="marks several pictures, so it is no mask of one"):
        read_mask(LIVER)


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "liver_expb_1frame.dcm"])
def test_a_segmentation_of_one_picture_is_a_mask_as_it_is(name):
    file = Path(pydicom.__file__).parent / "data" / "test_files" / name
    np.testing.assert_array_equal(read_mask(file), pydicom.dcmread(file).pixel_array)


def test_frames_find_their_images_and_empty_ones_are_empty(tmp_path):
    sources = slices()
    marks = blocks((1, LEFT, LEFT), (1, LEFT, RIGHT), (3, RIGHT, RIGHT)).max(axis=3, keepdims=True)
    made = segmentation(sources, marks[..., 0])
    manifest = open_data(scene(tmp_path / "set", sources, {"marks/seg.dcm": made}))
    assert manifest.mask_values == {"0": "background", "1": "lesion"} and len(manifest) == 5
    oracle = highdicom.seg.Segmentation.from_dataset(made)
    by_id = manifest.table.set_index("id")["target"]
    for place, source in enumerate(sources):
        mask = read_mask(by_id[f"IM{source.InstanceNumber:04d}"])
        np.testing.assert_array_equal(mask, marks[place, ..., 0])
        expected = oracle.get_pixels_by_source_instance(
            [source.SOPInstanceUID], combine_segments=True, assert_missing_frames_are_empty=True
        )
        np.testing.assert_array_equal(mask, expected[0])
    said = "\n".join(manifest.notes)
    assert "set/: 5 DICOM images with masks from 1 segmentation (lesion)" in said
    assert "3 images of segmented series are marked by no frame, so their masks are empty" in said


def test_segments_are_classes_by_their_names_over_all_files(tmp_path):
    first, second = slices(series="one"), slices(series="two", patient="PAT-2")
    for made in second:
        made.InstanceNumber += 10
    organs = segmentation(first, blocks((0, LEFT, LEFT), (2, LEFT, RIGHT)), ("liver", "tumour"), number=1)
    other = segmentation(second, blocks((4, LEFT, LEFT), (4, LEFT, RIGHT)), ("tumour", "vessel"), number=2)
    manifest = open_data(scene(tmp_path / "set", [*first, *second], {"a.dcm": organs, "b.dcm": other}))
    assert manifest.mask_values == {"0": "background", "1": "liver", "2": "tumour", "3": "vessel"}
    found = {name: read_mask(mask) for name, mask in zip(manifest.table["id"], manifest.table["target"], strict=True)}
    assert found["IM0001"][3, 3] == 1 and found["IM0003"][3, 25] == 2
    assert (found["IM0015"][3, 3], found["IM0015"][3, 25], found["IM0015"][20, 3]) == (2, 3, 0)
    assert manifest.table["group"].nunique() == 2


def test_a_fractional_segmentation_is_marked_from_half_on(tmp_path):
    sources = slices(2)
    shares = np.zeros((2, 24, 32), np.float64)
    shares[0, 0, :4] = [0.2, 0.45, 0.55, 1.0]
    made = segmentation(sources, shares, kind="FRACTIONAL", max_fractional_value=200)
    manifest = open_data(scene(tmp_path, sources, {"seg.dcm": made}))
    assert read_mask(manifest.table["target"][0])[0, :5].tolist() == [0, 0, 1, 1, 0]


def test_frames_of_a_file_with_several_pictures(tmp_path):
    frames = np.zeros((3, 24, 32), np.uint16)
    frames[1] = 7
    source = dataset(frames, NumberOfFrames=3, bits=12)
    save(tmp_path / "set" / "stack.dcm", source)
    plain = [dataset(frames[0], number=n) for n in (1, 2)]
    made = segmentation(plain, np.ones((2, 24, 32), np.uint8))
    for frame, group in enumerate(made.PerFrameFunctionalGroupsSequence, start=2):
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        image.ReferencedSOPInstanceUID, image.ReferencedFrameNumber = source.SOPInstanceUID, frame
    save(tmp_path / "set" / "seg.dcm", made)
    manifest = open_data(tmp_path / "set")
    assert manifest.table["id"].str[-1].tolist() == ["1", "2", "3"]
    assert [int(read_mask(mask).max()) for mask in manifest.table["target"]] == [0, 1, 1]


def test_pictures_of_other_series_are_left_aside_and_reports_are_no_pictures(tmp_path):
    sources, others = slices(3), slices(2, series="scout")
    for made in others:
        made.InstanceNumber += 10
    report = dataset(np.zeros((2, 2), np.uint8))
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    for name in ("PixelData", "Rows", "Columns"):
        del report[name]
    made = segmentation(sources, blocks((0, LEFT, LEFT), count=3)[..., 0])
    folder = scene(tmp_path / "set", [*sources, *others], {"seg.dcm": made, "report.dcm": report})
    manifest = open_data(folder)
    assert len(manifest) == 3
    assert "2 images of series that no segmentation is about were left aside" in manifest.notes


def test_what_cannot_be_matched_is_refused(tmp_path):
    sources = slices(3)
    made = segmentation(sources, blocks((1, LEFT, LEFT), (2, LEFT, LEFT), count=3).max(axis=3))
    with pytest.raises(DataError, match=r"seg\.dcm: marks 1 images that are not in .*lost; add them, or take"):
        open_data(scene(tmp_path / "lost", sources[:2], {"seg.dcm": made}))
    with pytest.raises(DataError, match=r"b\.dcm: marks an image that .*a\.dcm marks too; .* keep one of the two"):
        open_data(scene(tmp_path / "twice", sources, {"a.dcm": made, "b.dcm": made}))
    for group in made.PerFrameFunctionalGroupsSequence:
        del group.DerivationImageSequence
    with pytest.raises(DataError, match="does not say of each of its frames which image it marks"):
        open_data(scene(tmp_path / "unsaid", sources, {"seg.dcm": made}))


def test_overlapping_segments_are_refused_and_neighbours_are_not(tmp_path):
    sources = slices(2)
    made = segmentation(sources, blocks((0, LEFT, LEFT), (0, slice(8, 12), LEFT), count=2), ("a", "b"))
    target = open_data(scene(tmp_path / "set", sources, {"seg.dcm": made})).table["target"][0]
    with pytest.raises(DataError, match=r"seg\.dcm: two segments mark the same pixels \(frame 2 is one\)"):
        read_mask(target)
    beside = segmentation(sources, blocks((0, LEFT, LEFT), (0, slice(9, 12), LEFT), count=2), ("a", "b"))
    target = open_data(scene(tmp_path / "beside", sources, {"seg.dcm": beside})).table["target"][0]
    assert np.bincount(read_mask(target).ravel()).tolist() == [24 * 32 - 70, 49, 21]


def test_masks_in_a_folder_of_their_own_may_be_dicom_or_not(tmp_path):
    made = slices(2)
    for number, source in enumerate(made, start=1):
        save(tmp_path / "images" / f"case{number}.dcm", source)
    values = np.zeros((24, 32), np.uint8)
    values[:4] = 1
    make(tmp_path / "masks" / "case1.dcm", values)
    save(tmp_path / "masks" / "case2_mask.dcm", segmentation(made[1:], values[None]))
    manifest = open_data(tmp_path)
    for target in manifest.table["target"]:
        np.testing.assert_array_equal(read_mask(target), values)


@pytest.mark.parametrize("part", ["v1f9", "v1f0", "3", "v1x3", "f1"])
def test_a_mask_that_is_not_there(part):
    with pytest.raises(DataError, match=r"liver\.dcm: has no (frame|mask)"):
        read_mask(f"{LIVER}#{part}")


def test_a_label_map_is_refused(tmp_path):
    sources = slices(2)
    made = segmentation(sources, blocks((0, LEFT, LEFT), count=2)[..., 0], kind="LABELMAP")
    folder = scene(tmp_path / "set", sources, {"seg.dcm": made})
    with pytest.raises(
        DataError, match=r"seg\.dcm: a segmentation of the kind LABELMAP is not read; save it as BINARY"
    ):
        read_mask(folder / "seg.dcm")
    with pytest.raises(DataError, match="LABELMAP is not read"):
        open_data(folder)


def test_headers_that_are_cut_short_are_no_reports_and_stop_no_inspection(tmp_path):
    first, second = slices(series="first"), slices(series="second")
    segments = {
        "a.dcm": segmentation(first, blocks((0, LEFT, LEFT)), number=1),
        "b.dcm": segmentation(second, blocks((0, LEFT, LEFT)), number=2),
    }
    folder = scene(tmp_path / "set", first, segments)
    for made in second:
        save(folder / "other" / f"IM{made.InstanceNumber:04d}", made)
    cut = folder / "scan" / "IM0005"  # which nobody marked
    cut.write_bytes(cut.read_bytes()[:360])
    with pytest.raises(DataError, match=r"IM0005: (its header is cut short|cannot be read as DICOM)"):
        open_data(folder)
    marked = folder / "other" / "IM0001"
    marked.write_bytes(b"no DICOM" * 100)
    (folder / "other" / "IM0001").rename(folder / "other" / "IM0001.dcm")
    with collecting() as problems:
        manifest = open_data(folder)
    assert [(problem.kind, *map(Path, problem.places)) for problem in problems] == [
        ("unreadable files", folder / "other" / "IM0001.dcm"),
        ("unreadable files", folder / "scan" / "IM0005"),
        ("masks without image", folder / "b.dcm"),
    ]
    assert sorted(Path(image).name for image in manifest.table["image"]) == sorted(
        [f"IM000{n}" for n in (1, 2, 3, 4)] + [f"IM000{n}" for n in (2, 3, 4, 5)]
    )
