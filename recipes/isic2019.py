"""Write labels.csv of ISIC 2019 from the two tables of its publishers: ``python recipes/isic2019.py data/isic2019``.

The folder holds ``ISIC_2019_Training_Input/``, ``ISIC_2019_Training_GroundTruth.csv`` (a column a class, 1 in one of
them) and ``ISIC_2019_Training_Metadata.csv`` (with the lesion of each image). An image whose lesion is not told stands
alone. Images of the class UNK, of which the training images have none, are refused, as the test images have no labels.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

CLASSES = ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC"]


def main(folder: Path) -> None:
    truth = pd.read_csv(folder / "ISIC_2019_Training_GroundTruth.csv").set_index("image")
    lesions = pd.read_csv(folder / "ISIC_2019_Training_Metadata.csv").set_index("image")["lesion_id"]
    unclear = truth.index[(truth[CLASSES].sum(axis=1) != 1) | (truth.drop(columns=CLASSES) != 0).any(axis=1)]
    lost = truth.index.difference(lesions.index)
    if len(unclear) or len(lost):
        names = ", ".join([*unclear, *lost][:5])
        sys.exit(f"{folder}: images without exactly one of {', '.join(CLASSES)}, or not in the metadata: {names}.")
    table = pd.DataFrame({"label": truth[CLASSES].idxmax(axis=1), "lesion_id": lesions.reindex(truth.index)})
    table.insert(0, "file", [f"ISIC_2019_Training_Input/{name}.jpg" for name in table.index])
    table.to_csv(folder / "labels.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
