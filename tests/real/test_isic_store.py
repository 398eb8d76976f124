"""The pixel store and the batches on the real ISIC 2017 images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medgraft.data.augment import Augmenter
from medgraft.data.batches import training_loader
from medgraft.data.formats.raster import read_image, read_mask
from medgraft.data.layouts import open_data
from medgraft.data.resize import resize_image
from medgraft.data.store import PixelStore
from medgraft.policy import POLICIES

SHARED = Path(__file__).resolve().parents[3] / "shared"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="../shared is not here, so neither is its data")


@pytest.fixture(scope="module")
def manifest():
    return open_data(SHARED / "data" / "isic2017").test


@pytest.fixture(scope="module")
def store(manifest, tmp_path_factory: pytest.TempPathFactory) -> PixelStore:
    return PixelStore.open(manifest, 128, cache=tmp_path_factory.mktemp("cache"))


def test_the_store_holds_what_the_files_hold(manifest, store: PixelStore) -> None:
    assert store.images.shape == (83, 128, 128, 3)
    assert store.classes.rule == "0 = background, 255 = foreground"
    for row, record in enumerate(manifest.table.itertuples()):
        if row % 8:
            continue
        mask = read_mask(record.target) > 0
        assert store.sizes[row].tolist() == list(mask.shape)
        assert store.foreground[row] == pytest.approx(mask.mean(), abs=1e-12)
        assert store.masks[row].mean() == pytest.approx(mask.mean(), abs=0.01)
        # A JPEG decoded at a reduced scale first differs a little from one decoded whole.
        whole = resize_image(read_image(record.image), 128).astype(int)
        assert np.abs(whole - store.images[row]).mean() < 2


def test_lesions_stay_darker_than_skin_through_augmentation(store: PixelStore) -> None:
    darker = []
    for batch in training_loader(store, range(len(store)), Augmenter(POLICIES["dermoscopy"]), 16, seed=0):
        for image, mask in zip(batch.images.float().mean(dim=1), batch.targets.bool(), strict=True):
            if mask.any() and not mask.all():
                darker.append(bool(image[mask].mean() < image[~mask].mean()))
    assert np.mean(darker) > 0.9
