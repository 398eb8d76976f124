"""Write labels14.csv of CheXpert with all 14 columns: ``python recipes/chexpert14.py data/chexpert``.

The rule is that of the code of Matsoukas et al. (2022): an empty cell (not mentioned) and -1 (uncertain) are 0, and an
image with no 1 in any column has ``No Finding``. Images of ``CheXpert-v1.0-small/train.csv`` alone, lateral ones too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

FINDINGS = [
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation",
    "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices",
]  # fmt: skip


def main(folder: Path) -> None:
    table = pd.read_csv(folder / "CheXpert-v1.0-small" / "train.csv")
    flags = table[FINDINGS].fillna(0).replace(-1, 0).astype(int)
    flags.loc[flags.sum(axis=1) == 0, "No Finding"] = 1
    flags.insert(0, "file", table["Path"])
    flags["patient"] = table["Path"].str.extract(r"(patient\d+)", expand=False)
    flags.to_csv(folder / "labels14.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
