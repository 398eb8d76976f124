"""Batches: every row once an epoch, the same whatever the workers, shared out among processes without overlap."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.data.augment import Augmenter
from medgraft.data.batches import EpochSampler, StoreDataset, _Streams, evaluation_loader, scale, training_loader
from medgraft.data.manifest import Manifest
from medgraft.data.store import PixelStore
from medgraft.policy import POLICIES


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PixelStore:
    folder = tmp_path_factory.mktemp("batches")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(11):
        image = np.full((20, 20, 3), (number, 2 * number, 100), np.uint8)
        image[5:9, 5:15] = rng.integers(100, 255, (4, 10, 3))
        mask = np.zeros((20, 20), np.uint8)
        mask[5:9, 5:15] = 255
        files = folder / f"i{number}.png", folder / f"m{number}.png"
        for file, pixels in zip(files, (image, mask), strict=True):
            assert cv2.imwrite(str(file), pixels)
        rows.append({"id": f"i{number}", "image": str(files[0]), "target": str(files[1])})
    manifest = Manifest(pd.DataFrame(rows), folder, "batches")
    return PixelStore.open(manifest, 20, cache=folder / "cache")


def chancy(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    image[0] = np.random.randint(0, 255, image[0].shape)
    image[1] = random.randrange(255)
    return image, mask


def collected(loader: Any, epochs: tuple[int, ...] = (0, 1)) -> list[torch.Tensor]:
    tensors = []
    for epoch in epochs:
        loader.set_epoch(epoch)
        tensors += [tensor.clone() for batch in loader for tensor in batch]
    return tensors


def test_a_batch_holds_the_rows_it_says(store: PixelStore) -> None:
    batch = StoreDataset(store).__getitems__([(0, 4), (0, 2)])
    assert batch.images.shape == (2, 3, 20, 20) and batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.targets.shape == (2, 20, 20) and batch.targets.dtype == torch.uint8
    assert batch.rows.tolist() == [4, 2] and batch.rows.dtype == torch.int64
    np.testing.assert_array_equal(batch.images[0].permute(1, 2, 0), store.images[4])
    np.testing.assert_array_equal(batch.targets[1], store.masks[2])
    assert batch.images[0, :, 0, 0].tolist() == [100, 8, 4]  # red, green, blue


def test_evaluation_gives_all_rows_in_order_unchanged(store: PixelStore) -> None:
    batches = list(evaluation_loader(store, [3, 0, 10, 7, 5], batch_size=2))
    assert [batch.rows.tolist() for batch in batches] == [[3, 0], [10, 7], [5]]
    np.testing.assert_array_equal(
        torch.cat([b.images for b in batches]).permute(0, 2, 3, 1), store.images[[3, 0, 10, 7, 5]]
    )


@settings(max_examples=80, deadline=None)
@given(
    count=st.integers(1, 60),
    batch_size=st.integers(1, 9),
    world=st.integers(1, 4),
    seed=st.integers(0, 99),
    epoch=st.integers(0, 9),
)
def test_shards_are_disjoint_and_together_are_the_single_process(
    count: int, batch_size: int, world: int, seed: int, epoch: int
) -> None:
    rows = np.arange(100, 100 + count)
    single = EpochSampler(rows, batch_size * world, seed)
    shards = [EpochSampler(rows, batch_size, seed, rank, world) for rank in range(world)]
    for sampler in (single, *shards):
        sampler.set_epoch(epoch)
    steps = list(zip(*shards, strict=True))
    whole = list(single)
    assert len(steps) == len(whole) == len(single) == len(shards[0])
    for parts, together in zip(steps, whole, strict=True):
        assert len({len(part) for part in parts}) == 1
        union = [key for part in parts for key in part]
        if count >= world:
            assert len(set(union)) == len(union)
        if count >= batch_size * world:
            assert sorted(union) == sorted(together)
        else:
            assert set(union) <= set(together)


@given(count=st.integers(1, 60), batch_size=st.integers(1, 70), epoch=st.integers(0, 5))
def test_an_epoch_covers_the_rows_but_for_an_incomplete_last_batch(count: int, batch_size: int, epoch: int) -> None:
    sampler = EpochSampler(range(count), batch_size, seed=1)
    sampler.set_epoch(epoch)
    seen = [key for batch in sampler for key in batch]
    assert {e for e, _ in seen} == {epoch}
    rows = [row for _, row in seen]
    assert len(set(rows)) == len(rows) and set(rows) <= set(range(count))
    left_out = count % batch_size if count >= batch_size else 0
    assert len(rows) == count - left_out


def test_rows_left_out_of_one_epoch_come_in_another() -> None:
    sampler = EpochSampler(range(10), 4, seed=0)
    seen = set()
    for epoch in range(10):
        sampler.set_epoch(epoch)
        seen |= {row for batch in sampler for _, row in batch}
    assert seen == set(range(10))


def test_order_depends_on_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[list[tuple[int, int]]]:
        sampler = EpochSampler(range(30), 5, seed)
        sampler.set_epoch(epoch)
        return [[(0, row) for _, row in batch] for batch in sampler]

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4) and order(0, 3) != order(1, 3)


def test_more_processes_than_rows_still_step_together() -> None:
    shards = [list(EpochSampler([5, 6], 4, 0, rank, 3)) for rank in range(3)]
    assert [len(shard) for shard in shards] == [1, 1, 1]
    assert [len(shard[0]) for shard in shards] == [1, 1, 1]


@pytest.mark.parametrize("extra", [None, chancy])
def test_batches_are_the_same_whatever_the_workers(store: PixelStore, extra: Any) -> None:
    def run(workers: int) -> list[torch.Tensor]:
        augmenter = Augmenter(POLICIES["microscopy"], extra)
        return collected(training_loader(store, range(11), augmenter, 3, seed=5, workers=workers))

    alone, shared = run(0), run(2)
    assert len(alone) == len(shared) == 2 * 3 * 3
    for one, other in zip(alone, shared, strict=True):
        assert torch.equal(one, other)


def test_epochs_and_seeds_change_the_augmentation(store: PixelStore) -> None:
    dataset = StoreDataset(store, Augmenter(POLICIES["dermoscopy"]), seed=0)
    first, second = dataset[(0, 1)].images, dataset[(1, 1)].images
    assert not torch.equal(first, second)
    assert torch.equal(first, dataset[(0, 1)].images)
    other = StoreDataset(store, Augmenter(POLICIES["dermoscopy"]), seed=1)
    assert not torch.equal(first, other[(0, 1)].images)


def test_an_epoch_can_be_taken_up_without_those_before(store: PixelStore) -> None:
    def loader() -> Any:
        return training_loader(store, range(11), Augmenter(POLICIES["dermoscopy"]), 3, seed=5)

    for one, other in zip(collected(loader(), (0, 1, 2))[-9:], collected(loader(), (2,)), strict=True):
        assert torch.equal(one, other)


def test_ranks_see_what_one_process_sees(store: PixelStore) -> None:
    def images(batch_size: int, rank: int, world: int) -> dict[int, torch.Tensor]:
        augmenter = Augmenter(POLICIES["dermoscopy"])
        loader = training_loader(store, range(11), augmenter, batch_size, seed=2, rank=rank, world=world)
        return {int(row): image for batch in loader for row, image in zip(batch.rows, batch.images, strict=True)}

    single = images(4, 0, 1)
    shared = images(2, 0, 2) | images(2, 1, 2)
    assert single.keys() == shared.keys()
    assert all(torch.equal(single[row], shared[row]) for row in single)


def test_iterating_leaves_torchs_generator_alone(store: PixelStore) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(training_loader(store, range(11), Augmenter(POLICIES["dermoscopy"], chancy), 3, seed=5))
    list(evaluation_loader(store, range(11), 4))
    assert torch.equal(before, torch.get_rng_state())


def test_a_batch_larger_than_the_data_is_one_batch(store: PixelStore) -> None:
    loader = training_loader(store, [1, 2, 3], None, 16, seed=0)
    assert len(loader) == 1
    assert [sorted(batch.rows.tolist()) for batch in loader] == [[1, 2, 3]]


def test_scaling_goes_by_type_never_by_content() -> None:
    eight = scale(torch.tensor([0, 51, 255], dtype=torch.uint8))
    torch.testing.assert_close(eight, torch.tensor([0.0, 0.2, 1.0]))
    deep = scale(torch.from_numpy(np.array([0, 13107, 65535], np.uint16)))
    torch.testing.assert_close(deep, torch.tensor([0.0, 0.2, 1.0]))
    assert eight.dtype == deep.dtype == torch.float32
    wide = torch.zeros(2, 3, 4, 4, dtype=torch.uint8).to(memory_format=torch.channels_last)
    assert scale(wide).is_contiguous(memory_format=torch.channels_last)
    with pytest.raises(TypeError, match="int64"):
        scale(torch.tensor([1]))


def test_sixteen_bit_stores_give_sixteen_bit_batches(tmp_path: Path) -> None:
    for number in range(2):
        assert cv2.imwrite(str(tmp_path / f"i{number}.png"), np.full((8, 8), 30000 + number, np.uint16))
        assert cv2.imwrite(str(tmp_path / f"m{number}.png"), np.eye(8, dtype=np.uint8) * 255)
    columns = {
        "id": ["0", "1"],
        "image": [str(tmp_path / f"i{n}.png") for n in "01"],
        "target": [str(tmp_path / f"m{n}.png") for n in "01"],
    }
    table = pd.DataFrame(columns)
    deep = PixelStore.open(Manifest(table, tmp_path, "deep"), 8, channels=1, cache=tmp_path / "c")
    (batch,) = training_loader(deep, [0, 1], Augmenter(POLICIES["none"]), 2, seed=0, workers=1)
    assert batch.images.shape == (2, 1, 8, 8)
    assert sorted(scale(batch.images)[:, 0, 0, 0].tolist()) == pytest.approx([30000 / 65535, 30001 / 65535])


@pytest.mark.parametrize("arguments", [([], 4, 0, 0, 1), ([1], 0, 0, 0, 1), ([1], 4, 0, 2, 2)])
def test_impossible_samplers_are_refused(arguments: Any) -> None:
    with pytest.raises(ValueError, match="wanted"):
        EpochSampler(*arguments)


def test_a_samples_stream_depends_on_seed_epoch_and_row_alone() -> None:
    def draws(seed: int, *places: tuple[int, int]) -> list[list[float]]:
        streams = _Streams(seed)
        return [streams.of(*place).random(9).tolist() for place in places]

    places = [(epoch, row) for epoch in range(3) for row in range(3)]
    together = draws(0, *places)
    assert len({tuple(stream) for stream in together}) == 9
    assert draws(0, *reversed(places)) == together[::-1]
    assert draws(1, places[0]) != together[:1]


def test_a_stream_begins_anew_whatever_was_drawn_before() -> None:
    streams = _Streams(0)
    first = streams.of(1, 2).integers(2**32, size=3).tolist()
    streams.of(0, 0).integers(2**16, dtype="uint16")  # leaves half a word behind
    assert streams.of(1, 2).integers(2**32, size=3).tolist() == first


def test_streams_are_uniform_and_independent_of_their_neighbours() -> None:
    streams = _Streams(0)
    draws = np.array([streams.of(epoch, row).random(4) for epoch in range(50) for row in range(200)])
    # Of 10,000 uniform values the mean has a standard error of 0.0029, a correlation one of 0.01.
    assert np.abs(draws.mean(axis=0) - 0.5).max() < 5 * 0.0029
    assert np.abs(np.corrcoef(draws[:-1].T, draws[1:].T) - np.eye(8)).max() < 0.05
