"""A real brain with tissue labels: the ICBM152 template (2009a, nonlinear, symmetric) that nilearn carries."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn import datasets

from medgraft import Run
from medgraft.cli.main import main
from medgraft.data import PixelStore, open_data
from medgraft.data.formats import AXES, image_size, parts_of, read_image, read_mask

FOLDER = Path(datasets.__file__).parent / "data"
TISSUES = {
    kind: FOLDER / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz" for kind in ("t1", "gm", "wm")
}  # fmt: skip
RIGHT, FRONT, HEAD = 197, 233, 189


@pytest.fixture(scope="module")
def slabs(tmp_path_factory) -> Path:
    """Eight slabs of four slices each through the middle of the brain: 1 is grey matter, 2 is white matter."""
    root = tmp_path_factory.mktemp("icbm") / "brain"
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    t1, grey, white = (nib.load(TISSUES[kind]) for kind in ("t1", "gm", "wm"))
    parts = np.stack([np.asarray(tissue.dataobj, np.float64) for tissue in (grey, white)])
    parts /= parts.max()
    labels = np.where(parts.max(axis=0) > 0.5, 1 + parts.argmax(axis=0), 0).astype(np.uint8)
    for place in range(8):
        cut = (slice(None), slice(None), slice(50 + 9 * place, 54 + 9 * place))
        t1.slicer[cut].to_filename(root / "images" / f"slab{place}.nii.gz")
        mask = nib.Nifti1Image(labels, t1.affine).slicer[cut]
        # Stored in another order than its image, as other programs would.
        turn = nib.orientations.axcodes2ornt(("L", "P", "S"))
        mask.as_reoriented(turn).to_filename(root / "masks" / f"slab{place}_seg.nii.gz")
    return root


def test_the_template_is_seen_as_nibabel_orders_it() -> None:
    values = np.asarray(nib.as_closest_canonical(nib.load(TISSUES["t1"])).dataobj)
    assert values.shape == (RIGHT, FRONT, HEAD)
    shown = {axis: read_image(parts_of(TISSUES["t1"], axis)[60], channels=1)[..., 0] for axis in AXES}
    assert (shown["axial"] == np.rot90(values[::-1, :, 60])).all()
    assert (shown["coronal"] == np.rot90(values[::-1, 60, :])).all()
    assert (shown["sagittal"] == np.rot90(values[60, ::-1, :])).all()


def test_the_cerebellum_lies_behind_and_below() -> None:
    """What anatomy says, with no library in between: low down, there is brain at the back and none at the front."""
    middle = read_image(parts_of(TISSUES["t1"], "sagittal")[RIGHT // 2], channels=1)[..., 0]
    assert middle.shape == (HEAD, FRONT) == image_size(f"{TISSUES['t1']}#sagittal-{RIGHT // 2}")
    low = middle[int(HEAD * 0.8)] > 50
    assert low[FRONT // 2 :].sum() > 20 and low[: FRONT // 3].sum() == 0
    # The frontal pole is narrower than the parietal lobes are, seen from below.
    axial = read_image(f"{TISSUES['t1']}#axial-{HEAD // 2}", channels=1)[..., 0] > 50
    rows = np.flatnonzero(axial.any(axis=1))
    front, back = axial[rows[0] + 20].sum(), axial[rows[-1] - 60].sum()
    assert front < back


def test_masks_lie_on_the_tissue(slabs: Path, tmp_path: Path) -> None:
    data = open_data(slabs)
    assert len(data) == 32 and data.table["group"].nunique() == 8
    values = {"0": "background", "1": "grey", "2": "white"}
    store = PixelStore.open(data, 224, channels=1, mask_values=values, cache=tmp_path / "cache")
    means = [float(store.images[store.masks == k].mean()) for k in range(3)]
    # T1-weighted: white matter is brighter than grey matter, which is brighter than what is around the brain.
    assert means[0] < 0.4 * means[1] and 1.15 * means[1] < means[2]
    row = int(np.flatnonzero(data.table["id"] == "slab3-axial-2")[0])
    direct = np.asarray(nib.load(TISSUES["t1"]).dataobj)[::-1, ::-1, 50 + 27 + 2].T
    assert (read_image(data.table["image"][row], channels=1)[..., 0] == direct).all()
    mask = read_mask(data.table["target"][row])
    assert direct[mask == 2].mean() > direct[mask == 1].mean() > direct[mask == 0].mean()


def test_it_is_fitted_and_predicted(slabs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["fit", slabs, "--size", "64", "--channels", "1", "--epochs", "12", "--batch-size", "4", "--lr", "0.005"]
    words += ["--model", "unet", "--strategy", "scratch", "--widths", "8,16", "--augment", "none", "--bootstrap", "100"]
    words += ["--mask-values", "0=background,1=grey,2=white", "--precision", "fp32", "--memory-format", "contiguous"]
    assert main([str(word) for word in [*words, "--out", tmp_path / "run"]]) == 0
    run = Run(tmp_path / "run")
    rows = pd.read_csv(run.folder / "predictions.csv")
    assert (rows.groupby("group")["split"].nunique() == 1).all()
    assert run.scores["test"]["dice"].value > 0.6, (
        "tissues differ in brightness, so little is needed to tell them apart"
    )
    scan = slabs / "images" / "slab0.nii.gz"
    assert main(["predict", str(run.folder), str(scan), "--out", str(tmp_path / "masks"), "--masks", "png"]) == 0
    assert len(list((tmp_path / "masks").glob("slab0-axial-*_mask.png"))) == 4
    assert main(["predict", str(run.folder), str(scan), "--out", str(tmp_path / "volume")]) == 0
    whole, source = nib.load(tmp_path / "volume" / "slab0_mask.nii.gz"), nib.load(scan)
    assert whole.shape == source.shape and np.array_equal(whole.affine, source.affine)
