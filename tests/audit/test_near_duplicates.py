"""The search for near-duplicates: nothing within the radius is missed, by comparison of each with each."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.audit import neighbours
from medgraft.audit.bands import choose_bands
from medgraft.audit.clusters import Clusters
from medgraft.audit.hashing import COARSE, transposed
from medgraft.audit.near import LISTED, REACH, compare, near_duplicates
from medgraft.audit.neighbours import Reach

Words = npt.NDArray[np.uint64]


def random_hashes(count: int, rng: np.random.Generator) -> Words:
    hashes = rng.integers(0, 2**64, (count, 4), dtype=np.uint64)
    hashes[:, 0] &= ~np.uint64(1)
    return hashes


def with_flipped_bits(source: Words, count: int, rng: np.random.Generator) -> Words:
    changed = source.copy()
    for bit in rng.choice(255, count, replace=False) + 1:
        changed[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    return changed


def each_with_each(hashes: Words, reach: Reach = REACH) -> tuple[set[tuple[int, int]], list[int]]:
    """Pairs within reach, and the smallest member that each hash is connected to."""
    one, other = np.triu_indices(len(hashes), 1)
    near = compare(hashes[one], hashes[other], reach)[0]
    pairs = {(int(a), int(b)) for a, b in zip(one[near], other[near], strict=True)}
    label = list(range(len(hashes)))
    while True:  # let labels flow along the pairs until nothing changes
        before = list(label)
        for a, b in pairs:
            label[a] = label[b] = min(label[a], label[b])
        if before == label:
            return pairs, label


def labels_of(clusters: npt.NDArray[np.int64]) -> list[int]:
    first: dict[int, int] = {}
    return [row if number < 0 else first.setdefault(int(number), row) for row, number in enumerate(clusters)]


def assert_complete(hashes: Words, reach: Reach = REACH) -> None:
    found = near_duplicates(hashes, reach)
    pairs, labels = each_with_each(hashes, reach)
    assert found.complete
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == pairs
    assert labels_of(found.clusters) == labels
    assert (found.first < found.second).all()


REACHES = st.sampled_from([REACH, Reach(0, -1), Reach(1, 0, 20), Reach(8, 5, 60), Reach(31, -1), Reach(63, 15, 100)])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 120), REACHES)
def test_nothing_is_missed_among_random_hashes_with_planted_ones(seed: int, count: int, reach: Reach) -> None:
    rng = np.random.default_rng(seed)
    hashes = random_hashes(count, rng)
    for _ in range(count // 3):
        source, target = rng.integers(count, size=2)
        copy = with_flipped_bits(hashes[source], int(rng.integers(0, reach.full + 8)), rng)
        if rng.random() < 0.3:
            copy = transposed(copy[None])[0]
        if rng.random() < 0.5:
            copy = copy ^ np.array([0, 2**64 - 1, 0, 2**64 - 1], np.uint64)
        hashes[target] = copy
    assert_complete(hashes, reach)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 60), st.integers(1, 80), REACHES)
def test_nothing_is_missed_among_hashes_that_hardly_differ(seed: int, count: int, free: int, reach: Reach) -> None:
    """All agree but for a few bits, so the keys of most bands are one and the same."""
    rng = np.random.default_rng(seed)
    common = random_hashes(1, rng)[0]
    varied = rng.choice(255, free, replace=False) + 1
    hashes = np.tile(common, (count, 1))
    for row in hashes:
        for bit in varied[rng.random(free) < 0.5]:
            row[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    assert_complete(hashes, reach)


@pytest.mark.parametrize("seed", range(4))
def test_crowds_are_connected_as_they_should_be(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many hashes under one key are not compared each with each, and yet nothing that belongs together is parted."""
    monkeypatch.setattr(neighbours, "_CROWD", 100)
    monkeypatch.setattr(neighbours, "_AT_ONCE", 64)
    rng = np.random.default_rng(seed)
    centres = random_hashes(3, rng)
    centres[1] = with_flipped_bits(centres[0], 24, rng)
    hashes = np.stack([with_flipped_bits(centres[rng.integers(3)], int(rng.integers(0, 12)), rng) for _ in range(400)])
    found = near_duplicates(hashes)
    pairs, labels = each_with_each(hashes)
    assert labels_of(found.clusters) == labels
    assert not found.complete
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) <= pairs
    connected = Clusters(len(hashes))
    connected.join(found.first, found.second)
    assert connected.labels.tolist() == labels


def test_a_chain_is_one_cluster_though_its_ends_are_far_apart() -> None:
    rng = np.random.default_rng(5)
    chain = [random_hashes(1, rng)[0]]
    for _ in range(20):
        chain.append(with_flipped_bits(chain[-1], 12, rng))
    found = near_duplicates(np.stack(chain))
    assert found.clusters.tolist() == [0] * 21
    assert found.first.tolist()[:1] == [0] and (0, 20) not in zip(found.first, found.second, strict=True)


def test_pictures_of_nothing_are_nobodys_duplicates() -> None:
    hashes = np.zeros((5, 4), np.uint64)
    hashes[3:] = random_hashes(1, np.random.default_rng(6))
    found = near_duplicates(hashes)
    assert found.clusters.tolist() == [-1, -1, -1, 0, 0]
    assert list(zip(found.first.tolist(), found.second.tolist(), found.distance.tolist(), strict=True)) == [(3, 4, 0)]


def test_clusters_are_numbered_by_their_first_image() -> None:
    a, b, c = random_hashes(3, np.random.default_rng(7))
    found = near_duplicates(np.stack([c, b, a, b, c, a]))
    assert found.clusters.tolist() == [0, 1, 2, 1, 0, 2]


@pytest.mark.parametrize("count", [0, 1])
def test_none_and_one_have_no_duplicates(count: int) -> None:
    found = near_duplicates(random_hashes(count, np.random.default_rng(8)))
    assert len(found.first) == 0 and found.clusters.tolist() == [-1] * count and found.complete


def test_many_copies_are_one_cluster_of_few_links() -> None:
    hashes = np.tile(random_hashes(1, np.random.default_rng(9)), (20_000, 1))
    found = near_duplicates(hashes)
    assert (found.clusters == 0).all() and len(found.first) == 19_999 and not found.complete
    assert len(hashes) > LISTED


@pytest.mark.parametrize(("full", "coarse"), [(64, 3), (-1, 3), (15, 16)])
def test_a_reach_that_cannot_be_searched_is_refused(full: int, coarse: int) -> None:
    with pytest.raises(ValueError, match="0 to 63"):
        Reach(full, coarse)


def test_coarse_bits_count_by_themselves() -> None:
    """40 differing bits are near where hardly any is coarse, and far otherwise."""
    rng = np.random.default_rng(12)
    source = random_hashes(1, rng)[0]
    coarse = [bit for bit in range(1, 256) if int(COARSE) >> (bit % 64) & 1]
    fine = [bit for bit in range(1, 256) if bit not in coarse]

    def differing(of_coarse: int, of_fine: int) -> Words:
        other = source.copy()
        for bit in (*rng.choice(coarse, of_coarse, replace=False), *rng.choice(fine, of_fine, replace=False)):
            other[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
        return other

    for of_coarse, of_fine, near in ((3, 37, True), (4, 36, False), (3, 38, False), (15, 0, True), (0, 41, False)):
        found = near_duplicates(np.stack([source, differing(of_coarse, of_fine)]))
        assert (len(found.first) == 1) == near, (of_coarse, of_fine)


def test_bands_that_all_share_are_left_out_and_the_bound_still_holds() -> None:
    """The pigeonhole bound: allowances plus one add up to more than the radius."""
    rng = np.random.default_rng(10)
    hashes = random_hashes(3000, rng)
    hashes[:, 0] = hashes[0, 0]
    hashes[:, 2] = hashes[0, 2]
    bands = choose_bands(hashes, [hashes, transposed(hashes)], 15)
    assert sum(band.allowance + 1 for band in bands) >= 16
    assert {band.word for band in bands} == {1, 3} and any(band.allowance for band in bands)
    assert_complete(hashes[:300])


def test_ten_times_as_many_take_nothing_like_a_hundred_times_as_long() -> None:
    """Sub-quadratic: 40,000 hashes are 800 million pairs."""
    rng = np.random.default_rng(11)
    seconds = []
    for count in (4_000, 40_000):
        hashes = random_hashes(count, rng)
        hashes[-1] = with_flipped_bits(hashes[0], 15, rng)
        start = time.process_time()
        found = near_duplicates(hashes)
        seconds.append(time.process_time() - start)
        assert found.first.tolist() == [0] and found.second.tolist() == [count - 1]
    assert seconds[1] < 30 * seconds[0] + 1
