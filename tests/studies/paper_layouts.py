"""Stand-ins for the data sets of the papers: a few dozen tiny images, in the layout that their publishers give them.

Each function draws one below a folder and prepares it by the steps that its recipe names; it returns what
``medgraft fit`` and ``medgraft study`` are given. What is drawn depends on the label, so that there is something to
learn: the more, the brighter.
"""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from dicom_making import dataset
from in_memory_h5 import h5py_of
from medgraft.catalog import find_dataset

RECIPES = Path(__file__).parents[2] / "recipes"
FINDINGS = ["No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
            "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other",
            "Fracture", "Support Devices"]  # fmt: skip


def aptos2019(folder, monkeypatch, grades=(12, 8, 8, 8, 8)):
    """Images of an id each, of several shapes, and train.csv; the folder of images has been renamed to images/."""
    rows = [(f"{grade:x}{number:011x}", grade) for grade, count in enumerate(grades) for number in range(count)]
    (folder / "images").mkdir()
    for position, (name, grade) in enumerate(rows):
        _write(folder / "images" / f"{name}.png", _picture(position, grade / 4, (40, 44 + 4 * (position % 3), 3)))
    pd.DataFrame(rows, columns=["id_code", "diagnosis"]).to_csv(folder / "train.csv", index=False)
    return folder / "train.csv"


def ddsm(folder, monkeypatch):
    """Grey mammograms whose names begin with what they show, and a list of each split."""
    counts = {"train": (8, 4, 4), "val": (4, 2, 2), "test": (4, 2, 2)}
    (folder / "ddsm_raw_image_lists").mkdir()
    for split, kinds in counts.items():
        names = [f"{kind}s/{kind}_{split}_{number}.png" for kind, count in zip(("normal", "benign", "cancer"), kinds,
                 strict=True) for number in range(count)]  # fmt: skip
        for position, name in enumerate(names):
            _write(folder / "ddsm_raw" / name, _picture(position, 0.0 if "normal" in name else 1.0, (60, 40)))
        (folder / "ddsm_raw_image_lists" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return run_recipe_script("ddsm", folder, monkeypatch) / "labels.csv"


def cbis_ddsm(folder, monkeypatch):
    """A folder of DICOM files for each mammogram, 16 bit, and four tables with a row for each lesion."""
    tables = {(kind, split): [] for kind in ("mass", "calc") for split in ("train", "test")}
    for patient in range(24):
        kind, split = ("mass", "calc")[patient % 2], ("train", "test")[patient >= 16]
        stage = {"train": "Training", "test": "Test"}[split]
        malignant = patient // 2 % 2
        for view in ("CC", "MLO"):
            name = f"{kind.title()}-{stage}_P_{patient:05d}_LEFT_{view}"
            place = folder / "CBIS-DDSM" / name / "07-20-2016-DDSM-1" / "1.000000-full mammogram images-2"
            place.mkdir(parents=True)
            pixels = _picture(patient, malignant, (48, 32)).astype(np.uint16) * 257
            dataset(pixels, patient=f"P_{patient:05d}", series=name).save_as(
                place / "1-1.dcm", enforce_file_format=True
            )
            row = {"image file path": f"{name}/1.3.6.1/1.3.6.2/000000.dcm",
                   "pathology": ("BENIGN_WITHOUT_CALLBACK", "MALIGNANT")[malignant]}  # fmt: skip
            tables[kind, split].append(row)
    for (kind, split), rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / f"{kind}_case_description_{split}_set.csv", index=False)
    return run_catalogue_script("cbis-ddsm", folder, monkeypatch) / "labels.csv"


def isic2019(folder, monkeypatch, per_class=8):
    """Images, a table with a column a class (and UNK, empty), and one with the lesion of each image."""
    classes = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC"]
    labels = np.repeat(np.arange(8), per_class)
    names = [f"ISIC_{number:07d}{'_downsampled' * (number % 7 == 0)}" for number in range(len(labels))]
    (folder / "ISIC_2019_Training_Input").mkdir()
    for position, (name, label) in enumerate(zip(names, labels, strict=True)):
        _write(folder / "ISIC_2019_Training_Input" / f"{name}.jpg", _picture(position, label / 7, (36, 48, 3)))
    truth = pd.DataFrame(np.eye(9)[labels], columns=[*classes, "UNK"])
    truth.insert(0, "image", names)
    truth.to_csv(folder / "ISIC_2019_Training_GroundTruth.csv", index=False)
    # Two images of each lesion but for the last of a class, which has no lesion named.
    lesions = [f"BCN_{n // 2:07d}" if n % per_class < per_class - 1 else None for n in range(len(labels))]
    about = {"image": names, "age_approx": 55.0, "anatom_site_general": None, "lesion_id": lesions, "sex": "female"}
    pd.DataFrame(about).iloc[::-1].to_csv(folder / "ISIC_2019_Training_Metadata.csv", index=False)
    return run_recipe_script("isic2019", folder, monkeypatch) / "labels.csv"


def chexpert(folder, monkeypatch):
    """X-rays in a folder a patient and study, and two tables whose cells are 1, 0, -1 or empty."""
    _draw_chexpert(folder)
    return run_catalogue_script("chexpert", folder, monkeypatch) / "labels.csv"


def chexpert14(folder, monkeypatch):
    """The same files, prepared with all columns."""
    _draw_chexpert(folder)
    return run_recipe_script("chexpert14", folder, monkeypatch) / "labels14.csv"


def patchcamelyon(folder, monkeypatch):
    """Patches in HDF5 files, in memory here in the place of h5py's, and a table with the slide of each."""
    held, counts = {}, {"train": 16, "valid": 8, "test": 8}
    for split, count in counts.items():
        stem, tumour = f"camelyonpatch_level_2_split_{split}", np.arange(count) % 2
        patches = [_picture(position, label, (96, 96, 3)) for position, label in enumerate(tumour)]
        held[f"{stem}_x.h5"] = {"x": np.stack(patches)}
        held[f"{stem}_y.h5"] = {"y": tumour.reshape(count, 1, 1, 1)}
        slides = {"wsi": [f"camelyon16_{split}_{number // 4:03d}" for number in range(count)]}
        pd.DataFrame(slides).to_csv(folder / f"{stem}_meta.csv")
    monkeypatch.setitem(sys.modules, "h5py", h5py_of(held))
    return run_catalogue_script("patchcamelyon", folder, monkeypatch) / "labels.csv"


LAYOUTS = {draw.__name__: draw for draw in (aptos2019, ddsm, cbis_ddsm, isic2019, chexpert, chexpert14, patchcamelyon)}
"""By the name of the recipe."""


def run_recipe_script(name, folder, monkeypatch):
    """``python recipes/NAME.py FOLDER``; returns the folder."""
    monkeypatch.setattr(sys, "argv", [f"{name}.py", str(folder)])
    runpy.run_path(str(RECIPES / f"{name}.py"), run_name="__main__")
    return folder


def run_catalogue_script(name, folder, monkeypatch):
    """The Python that ``medgraft datasets NAME`` prints, in the folder; returns the folder."""
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        exec(compile(find_dataset(name).script, name, "exec"), {})
    return folder


def _draw_chexpert(folder):
    rng = np.random.default_rng(0)
    for split, patients in (("train", range(1, 61)), ("valid", range(64541, 64553))):
        rows = []
        for patient in patients:
            ill = patient % 2
            for view, study in (("frontal", 1), ("lateral", 1), ("frontal", 2)):
                name = f"CheXpert-v1.0-small/{split}/patient{patient:05d}/study{study}/view1_{view}.jpg"
                _write(folder / name, _picture(patient, ill, (39, 32)))
                cells = rng.choice([1.0, 0.0, -1.0, np.nan], len(FINDINGS), p=[0.6, 0.1, 0.1, 0.2] if ill else
                                   [0.05, 0.35, 0.05, 0.55])  # fmt: skip
                known = {"Path": name, "Sex": "Male", "Age": 68, "Frontal/Lateral": view.title(), "AP/PA": "AP"}
                rows.append(known | dict(zip(FINDINGS, cells, strict=True)))
        pd.DataFrame(rows).to_csv(folder / "CheXpert-v1.0-small" / f"{split}.csv", index=False)


def _picture(seed, share, shape):
    """Noise whose middle is the brighter, the nearer ``share`` is to 1."""
    rng = np.random.default_rng(seed)
    image = rng.integers(40, 90, shape).astype(np.uint8)
    height, width = shape[:2]
    image[height // 4 : -height // 4, width // 4 : -width // 4] += np.uint8(round(150 * share))
    return image


def _write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
