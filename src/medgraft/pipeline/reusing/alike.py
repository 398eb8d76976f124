"""How alike the features of all models are at all blocks: one pass over the images for CKA and, if asked for, SVCCA."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from medgraft.pipeline.evaluating.data import Subject
from medgraft.pipeline.reusing.subject import Reused, Rows, batches
from medgraft.progress import Observer
from medgraft.transfer.reuse.cka import Similarity, similarity
from medgraft.transfer.reuse.outputs import pooled
from medgraft.transfer.reuse.svcca import basis, correlated


def alike(
    reused: Reused, subject: Subject, rows: Rows, singular: bool, observer: Observer
) -> tuple[Similarity, npt.NDArray[np.float64] | None]:
    """CKA of all blocks of all models, and where ``singular`` SVCCA of the same, [P, P], on pooled features."""
    kept: dict[tuple[str, int], list[npt.NDArray[np.float32]]] = {}

    def keep(model: str, place: int, output: Tensor) -> None:
        kept.setdefault((model, place), []).append(pooled(output).cpu().numpy())

    def told() -> Iterator[tuple[Sequence[int], Tensor]]:
        done = 0
        for numbers, images in batches(subject, rows, reused.predictor.size):
            yield numbers, images
            done += len(numbers)
            observer.working("comparing features", done, len(rows))

    found = similarity(reused.models, told(), keep if singular else None)
    return found, _singular([np.concatenate(parts) for parts in kept.values()]) if singular else None


def _singular(features: list[npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
    bases = [basis(each) for each in features]
    values = np.full((len(bases), len(bases)), np.nan)
    for one in range(len(bases)):
        for other in range(one, len(bases)):
            values[one, other] = values[other, one] = correlated(bases[one], bases[other]).value
    return values
