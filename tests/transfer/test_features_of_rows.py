"""Features of some images: those of eval mode, in the order asked for, computed once."""

import numpy as np
import pytest
import torch

from medgraft.data import PixelStore, open_data, scale
from medgraft.models import create_feature_encoder
from medgraft.transfer import TorchEngine, extract_rows


@pytest.fixture
def store(pairs, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path))
    return PixelStore.open(open_data(pairs), 32)


@pytest.mark.parametrize("training", [True, False])
def test_whatever_mode_the_encoder_is_in(store, training):
    torch.manual_seed(0)
    encoder = create_feature_encoder("resnet10t").train(training)
    rows = np.array([5, 2, 9, 30, 7])
    found = extract_rows(store, encoder, TorchEngine(encoder, 3), rows, batch_size=2)
    assert encoder.training is training and all(part.training is training for part in encoder.modules())
    images = torch.from_numpy(np.asarray(store.images)[rows]).permute(0, 3, 1, 2)
    with torch.no_grad():
        (expected,) = encoder.eval().forward_prefix(scale(images), 3)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_they_are_computed_once_for_the_same_rows(store):
    encoder, told = create_feature_encoder("resnet10t"), []
    engine = TorchEngine(encoder, len(encoder.blocks))

    def ask(rows):
        return extract_rows(store, encoder, engine, np.array(rows), progress=lambda *steps: told.append(steps))

    first = ask([1, 2, 3])
    assert told == [(3, 3)]
    np.testing.assert_array_equal(ask([1, 2, 3]), first)
    assert told == [(3, 3)]
    np.testing.assert_array_equal(ask([3, 1])[[1, 0]], first[[0, 2]])
    assert told == [(3, 3), (2, 2)]
