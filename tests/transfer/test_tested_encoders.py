"""Every encoder of the tested list under every strategy, with networking off: what moves in a step, and what stays."""

import socket

import pytest
import torch
from torch import nn

from medgraft.models import TESTED_ENCODERS, Classifier, create_feature_encoder
from medgraft.transfer import Strategy, adapt_statistics, summarise

WITHOUT_BATCH_NORM = {
    "vgg16",
    "convnext_tiny",
    "deit_small_patch16_224",
    "swin_tiny_patch4_window7_224",
    "vit_small_patch16_224",
}

ALL, NONE = slice(None), slice(0, 0)
CASES = {
    # name: the strategy, an epoch, and the blocks that learn in it
    "frozen": (Strategy.frozen(0.1), 5, NONE),
    "partial": (Strategy.partial(2, 0.1), 0, slice(-2, None)),
    "full": (Strategy.full(0.1, decay=0.9), 0, ALL),
    "gradual": (Strategy.gradual(0.1, every=1), 1, slice(-1, None)),
    "lp_ft, probe": (Strategy.lp_ft(0.1, probe=2), 1, NONE),
    "lp_ft, full": (Strategy.lp_ft(0.1, probe=2), 2, ALL),
    "bn_affine": (Strategy.bn_affine(0.1), 0, ALL),
    "scratch": (Strategy.scratch(0.1), 0, ALL),
    "full, BatchNorm frozen": (Strategy.full(0.1, batch_norm="frozen"), 0, ALL),
}


@pytest.fixture(scope="module", autouse=True)
def _no_network():
    def refused(*_):
        raise OSError("networking is off")

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", refused)
    patch.setattr(socket, "getaddrinfo", refused)
    yield
    patch.undo()


class _Case:
    """A classifier of random weights, two images that it takes, and its state to go back to."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(0)
        self.model = Classifier(create_feature_encoder(name), classes=3, head="dropout", dropout=0.1)
        side = self.model.encoder.smallest
        self.images = torch.rand(2, 3, side, side)
        self.pristine = {key: tensor.clone() for key, tensor in self.model.state_dict().items()}

    def moved(self) -> set[str]:
        """Names of all that is not as it was at first, which is put back."""
        found = {key for key, tensor in self.model.state_dict().items() if not torch.equal(self.pristine[key], tensor)}
        for key in found:
            self.model.state_dict()[key].copy_(self.pristine[key])
        return found

    def step(self, strategy: Strategy, epoch: int) -> set[str]:
        """One step as the loop does it, behind the frozen prefix; names of the parameters that had a gradient."""
        model, images = self.model, self.images
        optimiser = torch.optim.SGD(strategy.apply(model, epoch))
        model.zero_grad(set_to_none=True)
        model.train()
        stop = strategy.prefix(model.encoder, epoch)
        if stop:
            with torch.no_grad():
                outputs = model.encoder.forward_prefix(images, stop)
            logits = model.forward_from(outputs, stop, images.shape[-2:])
        else:
            logits = model(images)
        nn.functional.cross_entropy(logits, torch.tensor([0, 2])).backward()
        optimiser.step()
        model.eval()
        return {name for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.fixture(scope="module", params=TESTED_ENCODERS)
def case(request):
    return _Case(request.param)


def _parameters(case: _Case, blocks: slice, norms_alone: bool) -> set[str]:
    """Names of what those blocks can learn; norms are told by the names of their classes."""
    count = len(case.model.encoder.blocks)
    chosen = {f"encoder.blocks.{index}" for index in range(count)[blocks]}
    return {
        f"{name}.{own}"
        for name, module in case.model.named_modules()
        for own, _ in module.named_parameters(recurse=False)
        if ".".join(name.split(".")[:3]) in chosen and ("Norm" in type(module).__name__ or not norms_alone)
    }


@pytest.mark.parametrize("label", CASES)
def test_one_step_moves_what_the_strategy_says(case, label):
    strategy, epoch, blocks = CASES[label]
    expected = _parameters(case, blocks, norms_alone=strategy.name == "bn_affine")
    head = {name for name in case.pristine if name.startswith("head.")}
    assert case.step(strategy, epoch) == expected | head
    moved = case.moved()
    statistics = {name for name in moved if "running_" in name or "num_batches_tracked" in name}
    assert moved - statistics <= expected | head and head <= moved
    for index in range(len(case.model.encoder.blocks))[blocks]:
        inside = f"encoder.blocks.{index}."
        can = any(name.startswith(inside) for name in expected)
        assert can == any(name.startswith(inside) for name in moved - statistics), inside
    moves = strategy.batch_norm == "train"
    learning = tuple(f"encoder.blocks.{i}." for i in range(len(case.model.encoder.blocks))[blocks])
    of_learning = {n for n in case.pristine if n.startswith(learning) and ("running_" in n or n.endswith("_tracked"))}
    assert statistics == (of_learning if moves and learning else set())


def test_a_frozen_encoder_is_bit_identical_after_steps_and_changes_of_mode(case):
    strategy = Strategy.frozen(0.1)
    for _ in range(2):
        case.step(strategy, 0)
        case.model.train(True).train(False).train()
        with torch.no_grad():
            case.model(case.images)
    assert {name.partition(".")[0] for name in case.moved()} == {"head"}


def test_statistics_are_adapted_where_there_are_any(case):
    norms = {n for n, m in case.model.encoder.named_modules() if type(m).__name__.startswith("BatchNorm")}
    name = case.model.encoder.name
    assert adapt_statistics(case.model, [case.images]) == len(norms)
    moved = case.moved()
    assert {key.rpartition(".")[0].removeprefix("encoder.") for key in moved} == norms
    assert not any(key.endswith((".weight", ".bias")) for key in moved)
    assert (norms == set()) == (name in WITHOUT_BATCH_NORM)
    assert len(Strategy.full(batch_norm="adapt").remarks(case.model)) == (name in WITHOUT_BATCH_NORM)
    assert len(Strategy.bn_affine().remarks(case.model)) == (name == "vgg16")


def test_the_summary_has_the_rates_of_the_groups_and_adds_up(case):
    strategy = Strategy.full(0.1, decay=0.9)
    groups = strategy.apply(case.model)
    encoder, side = case.model.encoder, case.images.shape[-1]
    rows = summarise(case.model, strategy, side)
    assert [row.part for row in rows] == [*(f"encoder {name}" for name in encoder.block_names), "head"]
    assert len({row.part for row in rows}) == len(rows)
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in case.model.parameters())
    assert sum(p.numel() for p in encoder.parameters()) == sum(
        p.numel() for b in encoder.blocks for p in b.parameters()
    )
    assert {row.part: row.lr for row in rows} == {group["part"]: group["base_lr"] for group in groups}
    assert rows[-2].shape == (encoder.num_features,) and rows[-1].shape == (3,)
