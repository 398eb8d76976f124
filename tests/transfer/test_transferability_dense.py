"""Cells of feature maps with the class of the mask under them."""

import numpy as np
import pytest

from medgraft.errors import DataError
from medgraft.ranking import macro_auc
from medgraft.transfer.transferability import deal_folds, labelled_cells, probe
from medgraft.transfer.transferability.dense_probe import majority


def test_majorities_by_hand():
    mask = np.array([[[0, 0, 1, 1], [0, 1, 1, 1], [2, 2, 0, 1], [0, 0, 1, 0]]], np.uint8)
    # Two each of 0 and 2 below left: the later class. One 1 and three 0 ... two 1 below right: the later class.
    np.testing.assert_array_equal(majority(mask, 2, 2, 3), [[[0, 1], [2, 1]]])


def test_sides_that_do_not_divide():
    mask = np.zeros((1, 5, 5), np.uint8)
    mask[0, 3:, 3:] = 1
    # Rows 0 to 2 belong to the first of two cells, 3 and 4 to the second: floor(row * 2 / 5).
    np.testing.assert_array_equal(majority(mask, 2, 2, 2), [[[0, 0], [0, 1]]])


def test_cells_carry_their_own_features_and_classes_in_equal_parts():
    rng = np.random.default_rng(0)
    masks = np.zeros((6, 32, 32), np.uint8)
    masks[:, :8, :8] = 1
    maps = np.zeros((6, 2, 8, 8), np.float32)
    maps[:, 0] = majority(masks, 8, 8, 2)
    maps[:, 1] = np.arange(64).reshape(8, 8) + 100 * np.arange(6)[:, None, None]
    data = labelled_cells(maps, masks, None, 2, cells=10)
    np.testing.assert_array_equal(data.features[:, 0], data.labels)
    # Four cells of the structure are all there are, and five of the ground.
    assert np.bincount(data.labels).tolist() == [30, 24] and data.group_count == 6
    np.testing.assert_array_equal(data.features[:, 1] // 100, data.groups)
    again = labelled_cells(rng.normal(size=maps.shape).astype(np.float32), masks, None, 2, cells=10)
    np.testing.assert_array_equal(again.labels, data.labels)


def test_cells_of_a_patient_stay_together():
    masks = np.zeros((6, 16, 16), np.uint8)
    masks[:, :8] = 1
    data = labelled_cells(np.zeros((6, 1, 4, 4), np.float32), masks, np.array(list("aabbcc"), object), 2)
    assert data.group_count == 3
    folds = deal_folds(data)
    assert all(len(set(folds[data.groups == g])) == 1 for g in range(3))


def test_maps_that_show_the_structure_are_told_from_noise():
    rng = np.random.default_rng(1)
    masks = np.zeros((30, 64, 64), np.uint8)
    for mask in masks:
        x, y = rng.integers(0, 32, 2)
        mask[y : y + 24, x : x + 24] = 1
    noise = rng.normal(size=(30, 6, 8, 8)).astype(np.float32)
    shown = noise + 2 * majority(masks, 8, 8, 2)[:, None]
    found = []
    for maps in (shown, noise):
        data = labelled_cells(maps, masks, None, 2)
        folds = deal_folds(data)
        found.append(macro_auc(data.labels, probe(data, folds).probabilities))
    assert found[0] > 0.99 and abs(found[1] - 0.5) < 0.1


def test_masks_of_one_class_alone_are_refused():
    with pytest.raises(DataError, match="fewer than two classes"):
        labelled_cells(np.zeros((4, 2, 4, 4), np.float32), np.zeros((4, 16, 16), np.uint8), None, 2)
