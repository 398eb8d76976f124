"""What a file is, by its first bytes; its name says nothing here."""

from __future__ import annotations

from medgraft.serving.refusal import RefusedError

READ = "PNG, JPEG, TIFF and DICOM are read"

_DICOM_MARK = slice(128, 132)  # PS3.10, 7.1
_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
}
_OTHERS = {
    b"PK": "a ZIP archive; unpack it and send the images in it",
    b"\x1f\x8b": "compressed by gzip; unpack it first",
    b"%PDF": "a PDF; send the image in it as a file of its own",
    b"GIF8": "a GIF; save it as PNG",
    b"RIFF": "WebP, or a sound or film; save an image as PNG",
    b"BM": "a bitmap (BMP); save it as PNG",
    b"\x80": "no image, and may be a Python pickle, which is never opened here",
    b"<": "text, such as SVG, XML or HTML; send the image as PNG",
    b"\x93NUMPY": "a numpy array; save it as PNG",
    b"NRRD": "a volume (NRRD); send its slices as images",
}


def kind_of(content: bytes) -> str:
    """``PNG``, ``JPEG``, ``TIFF`` or ``DICOM``; raises RefusedError for anything else."""
    if not content:
        raise RefusedError(400, "The file is empty (0 bytes).")
    for start, kind in _STARTS.items():
        if content.startswith(start):
            return kind
    if content[_DICOM_MARK] == b"DICM":
        return "DICOM"
    for start, what in _OTHERS.items():
        if content[:64].lstrip().startswith(start) or content.startswith(start):
            return _refuse(f"it is {what}")
    return _refuse("it is none of these by its first bytes, whatever its name ends in")


def _refuse(sentence: str) -> str:
    raise RefusedError(415, f"This file is not read: {sentence} ({READ}).")
