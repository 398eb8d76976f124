"""CKA: worked cases, an independent implementation of the papers' formulas, pairs in one pass, unpaired rows."""

import math

import numpy as np
import pytest
import torch

from medgraft.errors import DataError
from medgraft.models import Normalise
from medgraft.models.decompose import Cut
from medgraft.models.encoder import Encoder
from medgraft.transfer.reuse import Grams, SimilaritySums, cka, similarity
from medgraft.transfer.reuse.cka import gram


def hsic_1(kernel, other):
    """Song et al. (2012), equation 5, as it is printed."""
    n = len(kernel)
    one, two = (np.array(each, np.float64) for each in (kernel, other))
    np.fill_diagonal(one, 0)
    np.fill_diagonal(two, 0)
    ones = np.ones(n)
    found = np.trace(one @ two) + (ones @ one @ ones) * (ones @ two @ ones) / ((n - 1) * (n - 2))
    return (found - 2 / (n - 2) * (ones @ one @ two @ ones)) / (n * (n - 3))


def full_cka(x, y):
    kernel, other = x @ x.T, y @ y.T
    return hsic_1(kernel, other) / math.sqrt(hsic_1(kernel, kernel) * hsic_1(other, other))


def features(n=40, d=12, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)) + 3.0


def paired(x, y):
    rows = range(len(x))
    return cka(torch.from_numpy(x), torch.from_numpy(y), rows, rows)


def test_the_same_features_rotated_shifted_and_scaled_are_the_same():
    x = features()
    rotation, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))
    assert paired(x, x) == pytest.approx(1, abs=1e-9)
    assert paired(x, x @ rotation) == pytest.approx(1, abs=1e-5)
    assert paired(x, 0.01 * x + 5) == pytest.approx(1, abs=1e-5)
    # A scale of each feature of its own is no isotropic one.
    assert paired(x, x * np.linspace(0.1, 4, 12)) < 0.95


def test_it_equals_the_formula_of_the_papers():
    x = features(30, 7)
    y = np.tanh(x @ np.random.default_rng(2).standard_normal((7, 20))) + 0.3 * features(30, 20, 3)
    assert paired(x, y) == pytest.approx(full_cka(x, y), abs=1e-5)


def test_independent_features_are_0_on_average_even_with_few_images():
    """The biased estimate would be near 1 here, with 10 images of 200 features."""
    rng = np.random.default_rng(0)
    drawn = np.array([paired(*rng.standard_normal((2, 10, 200))) for _ in range(300)])
    assert abs(drawn.mean()) < 3 * drawn.std() / math.sqrt(len(drawn))
    assert drawn.std() / math.sqrt(len(drawn)) < 0.02


def test_batches_add_up_sums_before_the_ratio():
    x = features(36, 9)
    y = x @ np.random.default_rng(5).standard_normal((9, 5)) + features(36, 5, 6)
    sums = SimilaritySums()
    for part in (slice(0, 20), slice(20, 36)):
        rows = tuple(range(36))[part]
        sums.add(*(Grams(rows, gram(torch.from_numpy(each[part]))[None]) for each in (x, y)))
    found = sums.result([("a", "x"), ("b", "y")])
    parts = [[each[part] @ each[part].T for each in (x, y)] for part in (slice(0, 20), slice(20, 36))]
    between, own, other = (sum(hsic_1(k[i], k[j]) for k in parts) for i, j in ((0, 1), (0, 0), (1, 1)))
    assert found.values[0, 1] == pytest.approx(between / math.sqrt(own * other), abs=1e-5)
    assert found.images == 36 and found.interval(0, 1) is None


def test_a_gram_matrix_does_not_depend_on_the_layout_and_is_exact_far_from_0():
    maps = torch.randn(6, 300, 16, 16, generator=torch.Generator().manual_seed(0)) + 1000
    exact = maps.double().flatten(1)
    exact = exact - exact.mean(0)
    for laid in (maps, maps.to(memory_format=torch.channels_last)):
        assert torch.allclose(gram(laid), exact @ exact.T, rtol=1e-3, atol=5)


def test_features_that_never_vary_have_no_similarity():
    x = features()
    assert math.isnan(paired(x, np.full((40, 3), 0.1)))
    assert math.isnan(paired(np.full((40, 3), 1e6), x))


def small_encoder(seed, width=4):
    torch.manual_seed(seed)
    blocks = [
        torch.nn.Sequential(torch.nn.Conv2d(3, width, 3), torch.nn.ReLU(inplace=True)),
        torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Dropout(0.5)),
        torch.nn.Sequential(torch.nn.Conv2d(width, 5, 1), torch.nn.Flatten()),
    ]
    parts = Cut(blocks, ("first", "second", "third"), (2,), (5,), (1,), (), False)
    return Encoder("small", parts, Normalise((0.5,) * 3, (0.5,) * 3), 3, (0.5,) * 3, (0.5,) * 3)


def test_all_pairs_of_blocks_of_two_encoders_in_one_pass():
    models = {"one": small_encoder(0), "other": small_encoder(1, 6)}
    models["one"].train()
    images = torch.rand(24, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    seen = []
    batches = [(range(start, start + 8), images[start : start + 8]) for start in (0, 8, 16)]
    found = similarity(models, batches, lambda model, block, output: seen.append((model, block, output.shape[0])))
    assert found.names == tuple((m, b) for m in models for b in ("first", "second", "third"))
    assert seen[:4] == [("one", 0, 8), ("one", 1, 8), ("one", 2, 8), ("other", 0, 8)] and len(seen) == 18
    assert models["one"].training
    outputs = []
    with torch.inference_mode():
        for encoder in models.values():
            encoder.eval()
            hidden = encoder.normalise(images)
            for block in encoder.blocks:
                hidden = block(hidden.clone())
                outputs.append(hidden.double().flatten(1).numpy().copy())
    kernels = [[each[s : s + 8] @ each[s : s + 8].T for s in (0, 8, 16)] for each in outputs]
    for i in range(6):
        for j in range(6):
            between, own, other = (
                sum(hsic_1(a, b) for a, b in zip(kernels[p], kernels[q], strict=True))
                for p, q in ((i, j), (i, i), (j, j))
            )
            assert found.values[i, j] == pytest.approx(between / math.sqrt(own * other), abs=1e-4)
    # A rectifier of what is positive already changes nothing.
    assert found.between("one", "one")[0, 1] == pytest.approx(1, abs=1e-9)
    assert found.between("one", "other") == pytest.approx(found.between("other", "one").T)


def test_an_interval_of_many_batches_holds_the_value_and_narrows():
    rng = np.random.default_rng(0)
    widths = []
    for count in (8, 64):
        sums = SimilaritySums()
        for _ in range(count):
            x = rng.standard_normal((8, 6))
            y = x + rng.standard_normal((8, 6))
            sums.add(*(Grams(tuple(range(8)), gram(torch.from_numpy(each))[None]) for each in (x, y)))
        found = sums.result([("a", ""), ("b", "")])
        low, high = found.interval(0, 1)
        assert low < found.values[0, 1] < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_what_never_varies_has_no_interval_either():
    """A dead block of many batches: an interval of undefined values would be NaN, which JSON cannot hold."""
    sums = SimilaritySums()
    for seed in range(6):
        x = torch.from_numpy(features(8, 5, seed))
        # The last varies in one batch alone, so that of some draws of batches it is undefined.
        parts = (x, torch.ones(8, 3), x if seed == 0 else torch.ones(8, 3))
        sums.add(*(Grams(tuple(range(8)), gram(each)[None]) for each in parts))
    found = sums.result([("a", ""), ("b", ""), ("c", "")])
    assert found.interval(0, 0) == pytest.approx((1, 1))
    assert found.interval(0, 1) is None and found.interval(1, 1) is None and found.interval(0, 2) is None


def test_unpaired_rows_are_refused():
    x = torch.randn(8, 3)
    with pytest.raises(DataError, match="same images in the same order"):
        cka(x, x, range(8), [1, 0, 2, 3, 4, 5, 6, 7])
    with pytest.raises(DataError, match="same images in the same order"):
        cka(x, x[:7], range(8), range(7))


def test_too_few_images_are_refused():
    with pytest.raises(DataError, match="at least 4"):
        cka(torch.randn(3, 3), torch.randn(3, 3), range(3), range(3))
    with pytest.raises(DataError, match="no image"):
        similarity({"one": small_encoder(0)}, [])
