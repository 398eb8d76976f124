"""What the catalogue says: complete, consistent, of the right form, and in commands and scripts that run."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import yaml

from in_memory_h5 import h5py_of
from medgraft.catalog import Size, catalogue, find_dataset, list_datasets
from medgraft.catalog.arrange import ARRANGERS
from medgraft.catalog.card import card
from medgraft.catalog.entry import in_units
from medgraft.cli import fit
from medgraft.cli.options import chosen_options
from medgraft.errors import RecipeError
from medgraft.recipe import Recipe
from plain_yaml import NoDoubles

ENTRIES = list(catalogue().values())
NAMES = [entry.name for entry in ENTRIES]
MEDMNIST = ["path", "chest", "derma", "oct", "pneumonia", "retina", "breast", "blood", "tissue", "organa", "organc",
            "organs"]  # fmt: skip
HOSTS = {"isic-challenge-data.s3.amazonaws.com", "zenodo.org", "nihcc.box.com", "datasets.simula.no",
         "scholar.cu.edu.eg", "data.broadinstitute.org"}  # fmt: skip


def each(entries=ENTRIES):
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


def test_all_the_sets_are_there():
    wanted = ["isic2016", "isic2017", "isic2018", "ham10000", "aptos2019", "chexpert", "chestxray14", "cbis-ddsm",
              "patchcamelyon", "kvasir-seg", "busi", "dsb2018", *(f"{name}mnist" for name in MEDMNIST)]  # fmt: skip
    assert sorted(NAMES) == sorted(wanted)


def test_names_and_aliases_are_different():
    names = [name for entry in ENTRIES for name in (entry.name, *entry.aliases)]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)
    assert not {"show", "get"} & set(names)


@each()
def test_an_entry_is_complete(entry):
    assert all((entry.title, entry.licence, entry.citation, entry.layout, entry.pixels, entry.classes, entry.fit))
    assert urlsplit(entry.page).scheme == "https" and urlsplit(entry.page).hostname
    assert re.search(r"\b(19|20)\d\d\b", entry.citation)
    assert entry.images > 500 and entry.size.bytes > 100_000
    assert len(set(entry.classes)) == len(entry.classes)
    assert entry.task == "segmentation" or len(entry.classes) > 1
    assert not entry.licence_doubt or entry.licence_doubt.endswith(".")
    assert not entry.note or entry.note.endswith(".")
    assert entry.arrange in (*ARRANGERS, "")
    assert all(step.endswith((".", "images.")) for step in entry.steps)
    assert bool(entry.script) == any("Python below" in step for step in entry.steps)


@each([entry for entry in ENTRIES if entry.editions])
def test_addresses_and_checksums_are_of_the_right_form(entry):
    for edition in entry.editions:
        places = [(file.into, file.name) for file in edition.files]
        assert len(set(places)) == len(places)
        for file in edition.files:
            parts = urlsplit(file.url)
            assert parts.scheme == "https" and parts.hostname in HOSTS and not parts.username and not parts.port
            assert re.fullmatch(r"([0-9a-f]{32})?", file.md5) and re.fullmatch(r"([0-9a-f]{64})?", file.sha256)
            assert file.unpack == {".zip": "zip", ".tar.gz": "tar", ".gz": "gz"}.get(ending(file.name), "")


def ending(name):
    return re.sub(r"^.*?((\.tar)?\.\w+)$", r"\1", name)


def test_no_address_or_checksum_is_there_twice():
    files = [file for entry in ENTRIES for edition in entry.editions for file in edition.files]
    for values in ([f.url for f in files], [f.md5 for f in files if f.md5], [f.sha256 for f in files if f.sha256]):
        assert len(set(values)) == len(values)


def test_medmnist_has_four_sizes_with_checksums():
    counts = {}
    for name in MEDMNIST:
        entry = find_dataset(f"{name}mnist")
        assert entry.sides == [28, 64, 128, 224]
        assert all(file.md5 for edition in entry.editions for file in edition.files)
        assert [edition.files[0].name for edition in entry.editions] == [
            f"{name}mnist.npz", *(f"{name}mnist_{side}.npz" for side in (64, 128, 224))
        ]  # fmt: skip
        counts[name] = entry.images
    # The paper's abstract counts 708,069; of the three organ sets 20, 77 and 10 images were withdrawn later.
    assert sum(counts.values()) == 708_069 - 20 - 77 - 10
    # Raw values of BreastMNIST at 224: 780 images of 224 x 224 bytes.
    assert str(find_dataset("breastmnist").edition(224).size) == "up to 39.1 MB"
    assert [name for name in MEDMNIST if find_dataset(f"{name}mnist").several] == ["chest"]


@each()
def test_its_commands_are_commands_of_fit(entry):
    for command in entry.commands(entry.folder()):
        parsed = parse(command)
        Recipe.make(**chosen_options(parsed))
        assert str(parsed.data).startswith(entry.folder())


def parse(command):
    words = shlex.split(command)
    assert words[:2] == ["medgraft", "fit"]
    parser = argparse.ArgumentParser(allow_abbrev=False)
    fit.add_arguments(parser)
    return parser.parse_args(words[2:])


@each()
def test_it_is_shown_and_written_as_json(entry):
    for width in (80, 120):
        lines = card(entry, entry.folder(), width).splitlines()
        folded = [line for line in lines if re.match(r"(\w+ {2,}| {11}\S| {2}\d\. )", line)]
        assert len(folded) > 5 and all(len(line) <= width for line in folded if "https://" not in line)
    plain = json.loads(json.dumps(entry.to_dict()))
    assert plain["name"] == entry.name and plain["bytes"] == entry.size.bytes
    assert len(plain["editions"]) == len(entry.editions)


def test_names_are_found_in_any_case_and_by_alias():
    assert find_dataset("PathMNIST").name == "pathmnist"
    assert find_dataset("pcam").name == "patchcamelyon" and find_dataset("NIH").name == "chestxray14"
    assert [entry.name for entry in list_datasets("organ?mnist")] == ["organamnist", "organcmnist", "organsmnist"]
    assert list_datasets() == ENTRIES and list_datasets("busi") == [find_dataset("BUSI")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kvasir-sg", r"no data set 'kvasir-sg'.*Did you mean kvasir-seg"),
        ("organmnist3d", r"3-D sets of MedMNIST are not read"),
        ("x*y", r"no data set of the catalogue matches 'x\*y'"),
    ],
)
def test_what_is_not_there(name, message):
    with pytest.raises(RecipeError, match=message):
        list_datasets(name)


def test_an_edition_that_is_not_there():
    with pytest.raises(RecipeError, match="has no pictures of 32 pixels; it has 28, 64, 128, 224"):
        find_dataset("bloodmnist").edition(32)
    with pytest.raises(RecipeError, match="one size only; leave out --size 64"):
        find_dataset("busi").edition(64)


@pytest.mark.parametrize(
    ("written", "count", "shown"),
    [
        (559_580, 559_580, "560 kB"),
        ("about 46.2 MB", 46_200_000, "about 46.2 MB"),
        ("up to 16 GB", 16 * 10**9, "up to 16 GB"),
        ("about 999 B", 999, "about 999 B"),
    ],
)
def test_sizes(written, count, shown):
    size = Size.read(written)
    assert size.bytes == count and str(size) == shown


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 99_949, 10**6, 123_456_789, 10**12, 5 * 10**13])
def test_bytes_in_units_keep_three_figures(count):
    number, unit = in_units(count).split()
    assert float(number) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit] == pytest.approx(count, rel=6e-3)


@pytest.mark.parametrize("written", ["46 MB", "about many", "about 3 XB"])
def test_what_is_no_size(written):
    with pytest.raises(ValueError, match="is no size"):
        Size.read(written)


def run_script(name, folder, monkeypatch):
    """Run the Python of an entry in a folder, as its steps say; returns labels.csv."""
    monkeypatch.chdir(folder)
    exec(compile(find_dataset(name).script, name, "exec"), {})
    return pd.read_csv("labels.csv")


def test_the_script_of_chexpert(tmp_path, monkeypatch):
    small = tmp_path / "CheXpert-v1.0-small"
    small.mkdir()
    findings = ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]
    rows = [("train/patient00001", "Frontal", [1, None, 0, -1, None]), ("train/patient00001", "Lateral", [1] * 5),
            ("train/patient00010", "Frontal", [0] * 5)]  # fmt: skip
    write_chexpert(small / "train.csv", rows, findings)
    write_chexpert(small / "valid.csv", [("valid/patient64541", "Frontal", [0, 1, 0, 0, 0])], findings)
    table = run_script("chexpert", tmp_path, monkeypatch)
    assert table[findings].to_numpy().tolist() == [[1, 0, 0, 1, 0], [0] * 5, [0, 1, 0, 0, 0]]
    assert table["split"].tolist() == ["train", "test", "valid"]
    assert table["patient"].tolist() == ["patient00001", "patient00010", "patient64541"]
    assert table["file"][0] == "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg"


def write_chexpert(path, rows, findings):
    table = pd.DataFrame([values for _, _, values in rows], columns=findings)
    table["Path"] = [f"CheXpert-v1.0-small/{start}/study1/view1_{view.lower()}.jpg" for start, view, _ in rows]
    table["Frontal/Lateral"] = [view for _, view, _ in rows]
    table.to_csv(path, index=False)


def test_the_script_of_cbis_ddsm(tmp_path, monkeypatch):
    cases = [("mass", "train", "Mass-Training_P_00001_LEFT_CC", "BENIGN"),
             ("mass", "train", "Mass-Training_P_00001_LEFT_CC", "MALIGNANT"),
             ("mass", "train", "Mass-Training_P_00002_LEFT_CC", "BENIGN_WITHOUT_CALLBACK"),
             ("calc", "test", "Calc-Test_P_00002_LEFT_MLO", "MALIGNANT")]  # fmt: skip
    for kind, split in {(kind, split) for kind, split, _, _ in cases}:
        found = [(f"{folder}/1.3/1.4/000000.dcm", label) for k, s, folder, label in cases if (k, s) == (kind, split)]
        table = pd.DataFrame(found, columns=["image file path", "pathology"])
        table.to_csv(tmp_path / f"{kind}_case_description_{split}_set.csv", index=False)
    for _, _, folder, _ in cases:
        place = tmp_path / "CBIS-DDSM" / folder / "01-01-2016-DDSM" / "1.0-full mammogram images"
        place.mkdir(parents=True, exist_ok=True)
        (place / "1-1.dcm").write_bytes(b"")
    table = run_script("cbis-ddsm", tmp_path, monkeypatch).sort_values("file")
    assert table["label"].tolist() == ["malignant", "malignant", "benign"]
    # Patient 2 has a calcification in the test split, so the mass goes there too.
    assert table["patient"].tolist() == ["P_00002", "P_00001", "P_00002"]
    assert table["split"].tolist() == ["test", "train", "test"]
    assert all((tmp_path / file).is_file() for file in table["file"])


def test_the_script_of_patchcamelyon(tmp_path, monkeypatch):
    """With arrays in memory in the place of h5py's files."""
    held = {}
    for split in ("train", "valid", "test"):
        stem = f"camelyonpatch_level_2_split_{split}"
        held[f"{stem}_x.h5"] = {"x": np.full((2, 96, 96, 3), 90, np.uint8)}
        held[f"{stem}_y.h5"] = {"y": np.array([1, 0]).reshape(2, 1, 1, 1)}
        pd.DataFrame({"wsi": [f"{split}_1", f"{split}_2"]}).to_csv(tmp_path / f"{stem}_meta.csv")
    monkeypatch.setitem(sys.modules, "h5py", h5py_of(held))
    table = run_script("patchcamelyon", tmp_path, monkeypatch)
    assert table["label"].tolist() == ["tumour", "normal"] * 3
    assert table["slide"][:2].tolist() == ["train_1", "train_2"] and set(table["split"]) == {"train", "valid", "test"}
    assert all((tmp_path / file).is_file() for file in table["file"])


def test_the_files_are_plain_yaml():
    """Read again here, so that a key that is there twice, which YAML lets the last one win, is found."""
    from importlib import resources

    for name in ("sets.yaml", "medmnist.yaml"):
        text = resources.files("medgraft.catalog").joinpath(name).read_text(encoding="utf-8")
        yaml.load(text, Loader=NoDoubles)
