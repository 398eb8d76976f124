"""Write labels.csv of DDSM, prepared as by Matsoukas et al. (2022): ``python recipes/ddsm.py data/ddsm``.

The folder holds ``ddsm_raw/`` with images whose names begin with ``normal_``, ``benign_`` or ``cancer_``, and
``ddsm_raw_image_lists/`` with ``train.txt``, ``val.txt`` and ``test.txt``, a path below ``ddsm_raw/`` a line. With two
classes, the authors' code makes one of benign and cancer; here it is called lesion.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

LABELS = {"normal": "normal", "benign": "lesion", "cancer": "lesion"}


def main(folder: Path) -> None:
    rows = []
    for split in ("train", "val", "test"):
        for line in (folder / "ddsm_raw_image_lists" / f"{split}.txt").read_text(encoding="utf-8").split():
            kind = Path(line).name.split("_")[0]
            if kind not in LABELS:
                sys.exit(f"{split}.txt: {line} begins with none of {', '.join(LABELS)}.")
            rows.append({"file": f"ddsm_raw/{line}", "label": LABELS[kind], "split": split})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
