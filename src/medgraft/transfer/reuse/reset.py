"""One block put back to what it was, or drawn anew, while all others stay as they were trained.

A block whose training can be undone without loss was not needed to change (Zhang, Bengio & Singer 2022, Are all layers
created equal?, JMLR 23: re-initialisation and re-randomisation robustness). A state here holds a block's weights and
the scales and shifts of its norms. Running means and variances of batch norms are no part of what was learned: they say
what the inputs of a norm look like, so they are measured anew for each state (:func:`settled`). Those of before
training would fit other images, those of after it other weights, and either would be blamed on the block. Statistics
that did not move in training (``batch_norm`` frozen or adapt) are no part of what is undone: all blocks behind learned
with them, and they stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from medgraft.draws import normal_like
from medgraft.models import Encoder
from medgraft.transfer.onnx_export import evaluating
from medgraft.transfer.parts import batch_norms, norm_parameters
from medgraft.transfer.reuse.movement import check_state
from medgraft.transfer.reuse.outputs import block_outputs

State = Mapping[str, Tensor]


@contextmanager
def put_back(encoder: Encoder, blocks: Collection[int], state: State) -> Iterator[None]:
    """Inside the block, these blocks of the encoder have what ``state`` says; afterwards they are as they were.

    Parameters
    ----------
    state : by the names of ``encoder.state_dict()``; of the blocks it may hold more or less than all.
    """
    current = encoder.state_dict()
    names = [name for name in _names(encoder, blocks) if name in state]
    kept = {name: current[name].clone() for name in names}
    try:
        _copy(encoder, {name: state[name] for name in names})
        yield
    finally:
        _copy(encoder, kept)


def before(encoder: Encoder, blocks: Collection[int], initial: State) -> dict[str, Tensor]:
    """Of these blocks, the weights and norms before training, without running statistics.

    Raises
    ------
    WeightsError
        Where ``initial`` is no state of this encoder.
    """
    check_state(encoder, initial)
    learned = {name for name, _ in encoder.named_parameters()}
    return {name: initial[name] for name in _names(encoder, blocks) if name in learned}


def statistics_moved(encoder: Encoder, blocks: Collection[int], initial: State) -> bool:
    """Whether running statistics of any batch norm of these blocks are others than before training."""
    parts = {f"blocks.{block}": encoder.blocks[block] for block in blocks}
    return any(
        not torch.equal(buffer.cpu(), initial[f"{start}.{name}"].cpu())
        for start, part in parts.items()
        for name, buffer in part.named_buffers()
        if name.endswith(("running_mean", "running_var"))
    )


def redrawn(encoder: Encoder, block: int, seed: int = 0) -> dict[str, Tensor]:
    """Weights of one block drawn anew.

    Each tensor of a convolution or linear layer, bias or token is drawn i.i.d. normal with that tensor's own mean and
    standard deviation, so that all it was beyond these two numbers is gone; scales and shifts of norms stay. The draws
    depend on ``seed`` and the tensor's name alone.
    """
    norms = set(map(id, norm_parameters(encoder.blocks[block])))
    return {
        f"blocks.{block}.{name}": _drawn(parameter, f"blocks.{block}.{name}", seed)
        for name, parameter in encoder.blocks[block].named_parameters()
        if id(parameter) not in norms
    }


@torch.no_grad()
def settled(encoder: Encoder, blocks: Collection[int], state: State, batches: Iterable[Tensor]) -> dict[str, Tensor]:
    """The state with running statistics of these blocks, measured on images while the blocks are in it.

    Parameters
    ----------
    batches : training images [n, C, H, W] in [0, 1], of about equal numbers, two or more each; not read where the
        blocks have no batch norm.
    """
    norms = [norm for block in sorted(blocks) for norm in batch_norms(encoder.blocks[block])]
    if not norms:
        return dict(state)
    current, names = encoder.state_dict(), _names(encoder, blocks)
    kept = {name: current[name].clone() for name in names}
    momenta = [norm.momentum for norm in norms]
    try:
        _copy(encoder, state)
        with evaluating(encoder):
            for norm in norms:
                norm.reset_running_stats()
                # None: the plain average over batches. Set directly, as train() of a held block does nothing.
                norm.momentum, norm.training = None, True
            for images in batches:
                for place, _ in enumerate(block_outputs(encoder, images)):
                    if place == max(blocks):
                        break
        found = encoder.state_dict()
        return {name: found[name].clone() for name in names}
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        _copy(encoder, kept)


def _names(encoder: Encoder, blocks: Collection[int]) -> list[str]:
    starts = tuple(f"blocks.{block}." for block in blocks)
    return [name for name in encoder.state_dict() if starts and name.startswith(starts)]


@torch.no_grad()
def _copy(encoder: Encoder, state: State) -> None:
    current = encoder.state_dict()
    for name, tensor in state.items():
        current[name].copy_(tensor)


def _drawn(tensor: Tensor, name: str, seed: int) -> Tensor:
    values = tensor.detach().float().cpu().contiguous().numpy()
    # By a name of its own: a run that began from statistics drew its own start by the tensor's name and the seed.
    return torch.from_numpy(normal_like(values, f"redrawn:{name}", seed)).to(tensor)
