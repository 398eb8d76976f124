"""Tables as spreadsheets write them: encodings, separators, marks, line ends; all are read alike."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from medgraft.data import Manifest, open_data
from medgraft.errors import DataError


def png(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8)).save(path, "PNG")
    return path


ROWS = [
    ["file", "diagnosis", "patient"],
    ["é1.png", "naevus", "Zoë"],
    ["b 2.png", "mélanome", "Åsa"],
    ["ñ.png", "naevus", "Zoë"],
]


def table(root: Path, encoding: str, separator: str = ",", end: str = "\n", head: str = "") -> Manifest:
    for row in ROWS[1:]:
        png(root / row[0])
    text = head + end.join(separator.join(row) for row in ROWS) + end
    (root / "list.csv").write_bytes(text.encode(encoding))
    return open_data(root / "list.csv")


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_is_read_alike_in_every_writing(tmp_path: Path, encoding: str, separator: str) -> None:
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    data = table(tmp_path, encoding, separator, head=mark)
    assert [Path(image).name for image in data.table["image"]] == ["é1.png", "b 2.png", "ñ.png"]
    assert data.table["target"].tolist() == ["naevus", "mélanome", "naevus"]
    assert data.table["group"].tolist() == ["Zoë", "Åsa", "Zoë"]
    said = [note for note in data.notes if "not in UTF-8" in note]
    expected = {"utf-8": "", "utf-8-sig": "", "latin-1": "Windows-1252 (Latin-1)", "cp1252": "Windows-1252 (Latin-1)"}
    what = expected.get(encoding, "UTF-16")
    assert (said == []) == (what == "") and all(f"list.csv: read as {what}" in note for note in said)


def test_lines_may_end_as_they_do_anywhere(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        assert len(table(tmp_path, "utf-8", end=end)) == 3


@pytest.mark.parametrize(("head", "separator"), [("sep=;\n", ";"), ("sep=,\r\n", ","), ("SEP=\t\n", "\t")])
def test_excels_first_line_is_no_header(tmp_path: Path, head: str, separator: str) -> None:
    assert len(table(tmp_path, "utf-8-sig", separator, head=head)) == 3


def test_quotation_marks_of_windows_are_kept(tmp_path: Path) -> None:
    png(tmp_path / "“a”.png")
    png(tmp_path / "b.png")
    (tmp_path / "list.csv").write_bytes("file,label\n“a”.png,1\nb.png,0\n".encode("cp1252"))
    assert len(open_data(tmp_path / "list.csv")) == 2


def test_bytes_that_windows_has_no_letter_for_are_latin(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    png(tmp_path / "b.png")
    (tmp_path / "list.csv").write_bytes(b"file,label,note\na.png,1,\x81\xe9\nb.png,0,\n")
    data = open_data(tmp_path / "list.csv")
    assert data.table["note"].tolist() == ["\x81é", ""] and any("read as Latin-1" in note for note in data.notes)


def test_a_name_with_a_line_break_in_a_table(tmp_path: Path) -> None:
    png(tmp_path / "a\nb.png")
    png(tmp_path / "c.png")
    (tmp_path / "list.csv").write_text('file,label\n"a\nb.png",1\nc.png,0\n', encoding="utf-8")
    assert open_data(tmp_path / "list.csv").table["id"].tolist() == ["a\nb", "c"]


def test_a_table_beside_folders_says_its_encoding_too(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        for name in ("é", "b"):
            png(tmp_path / kind / f"{name}.png")
    (tmp_path / "meta.csv").write_bytes("image,patient\né,Zoë\nb,Bo\n".encode("latin-1"))
    data = open_data(tmp_path)
    assert data.table["group"].tolist() == ["Bo", "Zoë"] and any("Windows-1252" in note for note in data.notes)


def test_a_table_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(tmp_path, "utf-8")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"list\.csv: cannot be read as a CSV file \(Permission denied\)"):
        open_data(tmp_path / "list.csv")


def test_a_table_finds_accents_written_in_the_other_way(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        png(tmp_path / (unicodedata.normalize(form, f"é{form}") + ".png"))
    rows = "".join(
        f"{unicodedata.normalize('NFC', f'é{form}')}.png,{place}\n" for place, form in enumerate(("NFC", "NFD"))
    )
    (tmp_path / "labels.csv").write_text("file,label\n" + rows, encoding="utf-8")
    assert len(open_data(tmp_path / "labels.csv")) == 2
