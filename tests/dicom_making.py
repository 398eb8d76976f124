"""DICOM files for tests, made from pixels and a few elements."""

import struct
import zlib
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, generate_uid

ROOT = "1.2.826.0.1.3680043.8.498."


def uid(*names) -> str:
    """A UID that is the same for the same names."""
    return str(UID(generate_uid(prefix=ROOT, entropy_srcs=list(map(str, names)))))


def dataset(pixels, number=1, patient="PAT-1", study="study", series="series", bits=None, **elements) -> Dataset:
    """A CT slice (or frames, [N, H, W] with ``NumberOfFrames``) of grey ``pixels``, or a colour picture [H, W, 3]."""
    pixels = np.asarray(pixels)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, uid(study, series, number)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    found.SOPClassUID, found.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    found.StudyInstanceUID, found.SeriesInstanceUID = uid(study), uid(study, series)
    found.FrameOfReferenceUID = uid(study, "frame")
    found.PatientID, found.PatientName, found.PatientBirthDate, found.PatientSex = patient, "", "", ""
    found.Modality, found.StudyID, found.AccessionNumber, found.StudyDate, found.StudyTime = "CT", "", "", "", ""
    found.SeriesNumber, found.InstanceNumber, found.ReferringPhysicianName = 1, number, ""
    found.ImageOrientationPatient, found.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, float(number)]
    found.PixelSpacing, found.SliceThickness, found.Manufacturer = [1, 1], 1, ""
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3 and "NumberOfFrames" not in elements
    found.Rows, found.Columns = pixels.shape[:2] if colour else pixels.shape[-2:]
    found.SamplesPerPixel, found.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        found.PlanarConfiguration = 0
    found.BitsAllocated = 8 * pixels.dtype.itemsize
    found.BitsStored = bits or found.BitsAllocated
    found.HighBit, found.PixelRepresentation = found.BitsStored - 1, int(pixels.dtype.kind == "i")
    found.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    found["PixelData"].VR = "OW" if found.BitsAllocated > 8 else "OB"
    for name, value in elements.items():
        setattr(found, name, value)
    return found


def save(path, made: Dataset):
    """Write a dataset as a file of the standard; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path


def make(path, pixels, **options):
    """Write what :func:`dataset` makes; returns its path."""
    return save(path, dataset(pixels, **options))


def lookup_table(entries, first=0, bits=16) -> Dataset:
    """An item of a VOI or modality LUT sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", list(entries))
    return item


def segmentation(sources, masks, labels=("lesion",), number=90, kind="BINARY", **options) -> Dataset:
    """A segmentation of the datasets ``sources`` by ``masks`` [N, H, W] or [N, H, W, segments]."""
    import highdicom
    from pydicom.sr.codedict import codes

    segments = [
        highdicom.seg.SegmentDescription(
            segment_number=i,
            segment_label=label,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type="MANUAL",
        )
        for i, label in enumerate(labels, start=1)
    ]
    return highdicom.seg.Segmentation(
        source_images=list(sources),
        pixel_array=np.asarray(masks),
        segmentation_type=kind,
        segment_descriptions=segments,
        series_instance_uid=uid("segmentations"),
        series_number=2,
        sop_instance_uid=uid("segmentation", number),
        instance_number=number,
        manufacturer="Maker",
        manufacturer_model_name="Model",
        software_versions="1",
        device_serial_number="1",
        **options,
    )


def inflating(megabytes):
    """A readable DICOM file of some KB that holds an element of zeros, that many megabytes, when it is inflated."""
    kept = BytesIO()
    made = dataset(np.zeros((8, 8), np.uint8))
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    made.save_as(kept, enforce_file_format=True)
    whole = kept.getvalue()
    start = 132 + 12 + struct.unpack("<I", whole[140:144])[0]
    first = struct.pack("<HH2sHI", 0x0009, 0x0010, b"OB", 0, megabytes << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(first) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.compress(zlib.decompress(whole[start:], -15)) + packer.flush()
    return whole[:start] + packed + block * megabytes + end
