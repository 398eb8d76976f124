"""Centred kernel alignment (CKA) of all pairs of blocks, of one encoder or several, in one pass over the images.

With features flattened and a linear kernel, a batch of n images gives each block a Gram matrix [n, n], whatever the
width of the block. From two such matrices K and L, with their diagonals set to 0,

    HSIC_1(K, L) = (tr(K L) + (1'K 1)(1'L 1) / ((n - 1)(n - 2)) - 2 (1'K L 1) / (n - 2)) / (n (n - 3))

is an unbiased estimate of the Hilbert-Schmidt independence criterion (Song et al. 2012, equation 5). The sums of it
over batches, not the ratios, are averaged (Nguyen, Raghu & Kornblith 2021, equation 3):

    CKA = sum HSIC_1(K, L) / sqrt(sum HSIC_1(K, K) sum HSIC_1(L, L))

so that the expectation does not depend on how large a batch is. HSIC_1 is the inner product of U-centred matrices
(Szekely & Rizzo 2014), which is how all pairs are had from one product of a matrix [blocks, n n] with itself.

References
----------
Kornblith, Norouzi, Lee & Hinton (2019), Similarity of neural network representations revisited, ICML.
Nguyen, Raghu & Kornblith (2021), Do wide and deep networks learn the same things?, ICLR.
Song, Smola, Gretton, Bedo & Borgwardt (2012), Feature selection via dependence maximization, JMLR 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medgraft.errors import DataError
from medgraft.models import Encoder
from medgraft.transfer.onnx_export import evaluating
from medgraft.transfer.reuse.outputs import block_outputs

Floats = npt.NDArray[np.float64]
Batches = Iterable[tuple[Sequence[int], Tensor]]
Watch = Callable[[str, int, Tensor], None]

LEAST = 4
"""Images that a batch has at least: of fewer HSIC_1 is undefined."""
COLUMNS = 1 << 16
"""Features that are centred and multiplied at once; a copy of so many fits into a processor's cache."""
ROUNDING = 1e-6
"""What varies by less than this share of a Gram matrix is what float32 leaves of features that are all the same."""
FEW_BATCHES = 5
"""Of fewer batches there is no interval."""


@dataclass(frozen=True, eq=False)
class Grams:
    """Gram matrices of the same images.

    Attributes
    ----------
    rows : which images they are, in order.
    matrices : [P, n, n] float64, one a block.
    """

    rows: tuple[int, ...]
    matrices: Tensor


@dataclass(frozen=True, eq=False)
class Similarity:
    """CKA of P blocks with each other.

    Attributes
    ----------
    names : model and block of each, [P].
    sums : [T, P, P], HSIC_1 of each batch.
    images : how many were looked at.
    """

    names: tuple[tuple[str, str], ...]
    sums: Floats
    images: int

    @property
    def values(self) -> Floats:
        """[P, P], at most 1; NaN for a block whose features are the same for all images."""
        return _ratio(self.sums.sum(axis=0))

    def between(self, first: str, second: str) -> Floats:
        """The values of the blocks of one model (rows) with those of another (columns)."""
        return self.values[np.ix_(self._places(first), self._places(second))]

    def interval(self, first: int, second: int, samples: int = 1000, seed: int = 0) -> tuple[float, float] | None:
        """The 95% interval of a value by drawing batches; None where there are fewer than five, or it is undefined."""
        if len(self.sums) < FEW_BATCHES:
            return None
        pair = np.ix_(*map(np.array, (range(len(self.sums)), (first, second), (first, second))))
        drawn = np.random.default_rng(seed).integers(len(self.sums), size=(samples, len(self.sums)))
        values = [_ratio(sums)[0, 1] for sums in self.sums[pair][drawn].sum(axis=1)]
        if np.isnan(values).any():
            return None
        low, high = np.quantile(values, [0.025, 0.975])
        return float(low), float(high)

    def _places(self, model: str) -> list[int]:
        return [place for place, (name, _) in enumerate(self.names) if name == model]


class SimilaritySums:
    """Adds up HSIC_1 of all pairs, batch by batch; keeps [P, P] numbers a batch and nothing else."""

    def __init__(self) -> None:
        self._sums: list[Floats] = []
        self._images = 0

    def add(self, *models: Grams) -> None:
        """Add a batch, of which each model has seen the same images in the same order.

        Raises
        ------
        DataError
            Where they have not, or the batch is of fewer than four images.
        """
        rows = models[0].rows
        if any(model.rows != rows for model in models[1:]):
            raise DataError(
                "similarity: the models have not seen the same images in the same order, and features of unpaired "
                "images cannot be compared; give all models the same batches."
            )
        if len(rows) < LEAST:
            raise DataError(f"similarity: {len(rows)} images in a batch, and at least {LEAST} are needed; add images.")
        matrices = torch.cat([model.matrices for model in models])
        centred = u_centred(matrices).flatten(1)
        varies = centred.norm(dim=1) > ROUNDING * matrices.flatten(1).norm(dim=1)
        centred = torch.where(varies[:, None], centred, 0.0)
        n = len(rows)
        self._sums.append((centred @ centred.T / (n * (n - 3))).cpu().numpy())
        self._images += n

    def result(self, names: Sequence[tuple[str, str]]) -> Similarity:
        """What was added up, of the blocks called ``names``."""
        return Similarity(tuple(names), np.stack(self._sums), self._images)


def gram(output: Tensor) -> Tensor:
    """The linear kernel of features [n, ...], flattened and centred, as [n, n] float64.

    The mean that is taken off changes no off-diagonal entry by more than a term of its row and one of its column,
    which HSIC_1 does not see; without it, what two images differ by would drown in float32.
    """
    flat = _flat(output)
    total = torch.zeros(len(flat), len(flat), dtype=torch.float64, device=flat.device)
    for start in range(0, flat.shape[1], COLUMNS):
        part = flat[:, start : start + COLUMNS].float()
        part = part - part.mean(dim=0)
        total += (part @ part.T).double()
    return total


def u_centred(matrices: Tensor) -> Tensor:
    """U-centred forms of symmetric matrices [P, n, n]: no diagonal, and rows and columns that add up to 0."""
    n = matrices.shape[-1]
    found = matrices.clone()
    found.diagonal(dim1=1, dim2=2).zero_()
    rows = found.sum(dim=2) / (n - 2)
    total = rows.sum(dim=1) / (n - 1)
    found += total[:, None, None] - rows[:, :, None] - rows[:, None, :]
    found.diagonal(dim1=1, dim2=2).zero_()
    return found


def similarity(encoders: Mapping[str, Encoder], batches: Batches, watch: Watch | None = None) -> Similarity:
    """CKA of every block of every encoder with every other, in one pass.

    Parameters
    ----------
    encoders : by name; each is put into eval mode while it is looked at.
    batches : the numbers of the images, and the images [n, C, H, W] in [0, 1]; four or more each. Memory is bounded by
        a batch: one output of one block, and a matrix [n, n] for each block.
    watch : is shown name, block and output as they come, so that other figures share the pass.

    Raises
    ------
    DataError
        Where there is no image, or a batch is of fewer than four.
    """
    sums, names = SimilaritySums(), [(name, block) for name, each in encoders.items() for block in each.block_names]
    seen = 0
    for rows, images in batches:
        sums.add(*(_grams(name, encoder, rows, images, watch) for name, encoder in encoders.items()))
        seen += len(rows)
    if not seen:
        raise DataError("similarity: no image to compare models on; add images.")
    return sums.result(names)


def cka(first: Tensor, second: Tensor, first_rows: Sequence[int], second_rows: Sequence[int]) -> float:
    """CKA of two tables of features of the same images, [N, ...] each, as one batch; NaN where one is constant.

    Raises
    ------
    DataError
        Where the rows are not the same images in the same order, or fewer than four.
    """
    if len(first) != len(first_rows) or len(second) != len(second_rows):
        raise ValueError("a number for each image is wanted")
    sums = SimilaritySums()
    sums.add(*(Grams(tuple(rows), gram(part)[None]) for rows, part in ((first_rows, first), (second_rows, second))))
    return float(sums.result([("first", ""), ("second", "")]).values[0, 1])


@torch.inference_mode()
def _grams(name: str, encoder: Encoder, rows: Sequence[int], images: Tensor, watch: Watch | None) -> Grams:
    matrices = []
    with evaluating(encoder):
        for place, output in enumerate(block_outputs(encoder, images)):
            matrices.append(gram(output))
            if watch is not None:
                watch(name, place, output)
    return Grams(tuple(map(int, rows)), torch.stack(matrices))


def _flat(output: Tensor) -> Tensor:
    """[n, features] without a copy, in the order in which they lie in memory; a kernel does not depend on it."""
    if output.ndim == 4 and output.is_contiguous(memory_format=torch.channels_last):
        output = output.permute(0, 2, 3, 1)
    return output.flatten(1)


def _ratio(sums: Floats) -> Floats:
    scale = np.sqrt(np.diagonal(sums))
    scale = np.where(scale > 0, scale, np.nan)
    return np.asarray(sums / np.outer(scale, scale))
