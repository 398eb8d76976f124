"""DICOM files that cannot be used: each is one sentence that names the file and quotes nothing of its header."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels.decoders import JPEGLosslessSV1Decoder, JPEGLSLosslessDecoder
from pydicom.uid import MPEG2MPML, JPEGBaseline8Bit

from dicom_making import dataset, inflating, make, save
from medgraft.data.formats import image_size, is_image, parts_of, read_image, read_mask
from medgraft.data.formats.dicom_file import header_of
from medgraft.errors import DataError

OWN = Path(pydicom.__file__).parent / "data" / "test_files"
RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8)


def refused(call, file, reason):
    with pytest.raises(DataError) as found:
        call(file)
    said = str(found.value)
    assert said.startswith(f"{file}: ") and reason in said and "\n" not in said
    return said


def test_a_file_without_pixels(tmp_path):
    made = dataset(RAMP)
    del made.PixelData
    file = save(tmp_path / "a.dcm", made)
    for call in (read_image, read_mask, image_size, parts_of):
        refused(call, file, "CT Image Storage, which holds no picture; take the file out")


def test_a_file_that_is_none(tmp_path):
    for name, content in (("text.dcm", b"Dear colleague,\n" * 40), ("noise.dcm", bytes(range(256)) * 9)):
        (tmp_path / name).write_bytes(content)
        refused(read_image, tmp_path / name, "not a DICOM file, whatever its name ends in (.dcm)")
    (tmp_path / "nothing.dcm").touch()
    refused(image_size, tmp_path / "nothing.dcm", "the file is empty (0 bytes)")
    refused(read_image, tmp_path / "absent.dcm", "no such file")
    (tmp_path / "folder.dcm").mkdir()
    refused(read_image, tmp_path / "folder.dcm", "cannot be opened (Is a directory)")


def test_pixels_that_are_cut_short(tmp_path):
    file = make(tmp_path / "a.dcm", RAMP)
    file.write_bytes(file.read_bytes()[:-20])
    refused(read_image, file, "its pixels are cut short (108 of 128 bytes are there)")
    assert image_size(file) == (8, 8)
    header = make(tmp_path / "b.dcm", RAMP)
    header.write_bytes(header.read_bytes()[:500])
    refused(read_image, header, "")
    compressed = tmp_path / "c.dcm"
    compressed.write_bytes((OWN / "MR_small_RLE.dcm").read_bytes()[:-3000])
    refused(read_image, compressed, "")


def test_a_transfer_syntax_that_is_not_said(tmp_path):
    bare = pydicom.dcmread(make(tmp_path / "plain.dcm", RAMP))
    del bare.file_meta
    bare.preamble = None
    bare.save_as(tmp_path / "bare.dcm", implicit_vr=False, little_endian=True)
    assert (tmp_path / "bare.dcm").read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_image(tmp_path / "bare.dcm"), read_image(tmp_path / "plain.dcm"))
    compressed = pydicom.dcmread(OWN / "MR_small_RLE.dcm")
    del compressed.file_meta
    compressed.preamble = None
    compressed.save_as(tmp_path / "unsaid.dcm", implicit_vr=False, little_endian=True)
    refused(read_image, tmp_path / "unsaid.dcm", "does not say how its pixels are compressed")


@pytest.fixture
def without_codecs():
    """The decoders of lossless JPEG and JPEG-LS as they are where no plugin is installed."""
    decoders = (JPEGLosslessSV1Decoder, JPEGLSLosslessDecoder)
    kept = [(decoder, dict(decoder._available)) for decoder in decoders]
    for decoder in decoders:
        decoder._available.clear()
    yield
    for decoder, available in kept:
        decoder._available.update(available)


def test_a_codec_that_is_not_installed_is_named(without_codecs):
    lossless = refused(read_image, OWN / "SC_rgb_jpeg_gdcm.dcm", "python-gdcm")
    assert "compressed as JPEG Lossless, Non-Hierarchical" in lossless
    assert lossless.endswith("pip install 'medgraft[dicom]'")
    refused(read_image, OWN / "MR_small_jpeg_ls_lossless.dcm", "install pyjpegls: pip install 'medgraft[dicom]'")


def test_a_compression_that_nobody_reads(tmp_path):
    made = dataset(np.zeros((8, 8), np.uint8))
    made.file_meta.TransferSyntaxUID = MPEG2MPML
    made.PixelData = pydicom.encaps.encapsulate([b"\0" * 32])
    made["PixelData"].is_undefined_length = True
    file = save(tmp_path / "a.dcm", made)
    refused(read_image, file, "compressed as MPEG2 Main Profile / Main Level, which is not read; save it uncompressed")
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    refused(read_image, save(tmp_path / "b.dcm", made), "its pixels")


def test_a_frame_that_is_not_named_or_not_there(tmp_path):
    frames = make(tmp_path / "a.dcm", np.zeros((12, 4, 4), np.uint16), NumberOfFrames=12)
    refused(read_image, frames, "holds 12 frames where one image is wanted; name one of them, as a.dcm#1")
    assert parts_of(frames)[-1] == f"{frames}#12"
    for part in ("0", "13", "x"):
        with pytest.raises(DataError, match=f"has no frame {part}; it has 12, counted from 1"):
            read_image(f"{frames}#{part}")
    single = make(tmp_path / "b.dcm", RAMP)
    np.testing.assert_array_equal(read_image(f"{single}#1"), read_image(single))


def test_files_are_recognised_by_name_or_by_their_first_bytes(tmp_path):
    made = dataset(RAMP)
    for name in ("IM0001", "1.2.840.113619.2", "scan.DCM", "a.ima"):
        save(tmp_path / name, made)
        assert is_image(tmp_path / name) and read_image(tmp_path / name).shape == (8, 8, 3)
    (tmp_path / "README").write_text("DICOM files of a phantom")
    assert not is_image(tmp_path / "README") and not is_image(tmp_path / "absent")
    save(tmp_path / "DICOMDIR", made)
    assert not is_image(tmp_path / "DICOMDIR")


def test_colours_of_a_kind_that_is_not_read(tmp_path):
    made = dataset(np.zeros((4, 4, 3), np.uint8), PhotometricInterpretation="HSV")
    refused(read_image, save(tmp_path / "a.dcm", made), "its colours (HSV) are not read; save it as RGB")


SCRIPT = """
import logging, sys
from pathlib import Path
logging.basicConfig(level=logging.DEBUG)
from medgraft.data.formats import read_image
from medgraft.data.formats.dicom_identity import identity_of
print(read_image(sys.argv[1]).shape, identity_of(Path(sys.argv[1])))
"""


def test_no_warning_and_no_log_quotes_the_header(tmp_path):
    made = dataset(RAMP)
    study, kind = made.StudyInstanceUID, made.SOPClassUID
    file = save(tmp_path / "a.dcm", made)
    # Texts that are no UIDs, which pydicom warns of, and says.
    for value in (study, kind):
        file.write_bytes(file.read_bytes().replace(value.encode(), b"SECRET".ljust(len(value), b"x")))
    ran = subprocess.run(
        [sys.executable, "-W", "always", "-c", SCRIPT, str(file)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("(8, 8, 3) Identity(")
    assert "secret" not in (ran.stdout + ran.stderr).lower()


def test_claims_of_very_many_frames_or_pixels_are_refused_before_any_memory_is_taken(tmp_path):
    file = make(tmp_path / "a.dcm", np.zeros((8, 8), np.uint16), NumberOfFrames=2_000_000_000)
    with pytest.raises(DataError, match=r"a\.dcm: its header claims 2,000,000,000 frames"):
        parts_of(file)
    for claim in ("claimed", "compressed"):
        made = dataset(np.zeros((8, 8), np.uint8))
        if claim == "compressed":
            made.compress("1.2.840.10008.1.2.5")
        made.Rows = made.Columns = 65535
        with pytest.raises(DataError, match=r"its header claims more than 178,956,970 pixels"):
            read_image(save(tmp_path / f"{claim}.dcm", made))


def test_what_a_deflated_file_holds_is_not_kept_with_its_header(tmp_path):
    """Pydicom keeps the buffer that it inflated, which for hostile files of some KB has many megabytes."""
    path = tmp_path / "deflated.dcm"
    path.write_bytes(inflating(4))
    elements = header_of(path).elements
    assert elements.Rows == 8
    assert max(len(pickle.dumps(value)) for value in vars(elements).values()) < 100_000
