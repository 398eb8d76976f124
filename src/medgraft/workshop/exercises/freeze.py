"""Freezing an encoder for good: weights, statistics of BatchNorm, dropout, also after the next train()."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medgraft.errors import listing
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

Array = np.ndarray[Any, Any]
_CLOSE = 1e-4
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def _draw(rng: np.random.Generator) -> Given:
    """Images that differ from those of the pretraining, so that statistics would move."""
    channels = int(rng.integers(3, 6))
    images = rng.normal(2, 3, (6, channels, int(rng.integers(6, 10)), 7)).astype(np.float32)
    return {"images": images, "dropout": 0.0, "again": False, "steps": int(rng.integers(2, 4))}


def _draw_again(rng: np.random.Generator) -> Given:
    return {**_draw(rng), "again": True}


def _draw_dropout(rng: np.random.Generator) -> Given:
    return {**_draw(rng), "again": True, "dropout": 0.5}


def _ask(learner: Any, given: Given) -> Any:
    """Freeze the encoder of a small model, train all that can be trained, and say how everything was and is."""
    import torch

    from medgraft.workshop.worker import told

    images = torch.from_numpy(np.array(given["images"]))
    model = _model(images.shape[1], given["dropout"])
    encoder = model.encoder
    reference = encoder.eval()(images)
    head = _state(model.head)
    model.train()
    with torch.enable_grad():  # a learner may switch gradients off for everything
        frozen = learner(encoder)
        model.encoder = frozen if isinstance(frozen, torch.nn.Module) else encoder
        before = _state(model.encoder)  # a frozen copy, or one with another class around it, has names of its own
        if given["again"]:
            model.eval()
            model.train()
        try:
            gradients = _train(model, images, given["steps"])
        except RuntimeError as error:
            if "does not require grad" not in str(error):
                raise
            return {"raised": told(error)}
        features = [model.encoder(part) for part in (images, images, images[:2])]
    return {
        "before": before, "after": _state(model.encoder), "head": [head, _state(model.head)], "gradients": gradients,
        "reference": reference, "features": features,
    }  # fmt: skip


def _model(channels: int, dropout: float) -> Any:
    """An encoder with norms at several depths and statistics as after pretraining, and a head."""
    from torch import nn

    inner = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(dropout))
    encoder = nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Sequential(inner, nn.Conv2d(4, 5, 1)),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(5),
    )  # fmt: skip
    for name, statistic in encoder.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(statistic)
        elif name.endswith("running_var"):
            nn.init.uniform_(statistic, 0.5, 2.0)
    model = nn.Module()
    model.encoder, model.head = encoder, nn.Linear(5, 1)
    nn.init.normal_(model.head.weight)
    return model


def _state(module: Any) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _train(model: Any, images: Any, steps: int) -> dict[str, float | None]:
    """Some steps on all parameters, with weight decay; the largest gradient of each of the encoder's."""
    import torch

    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    target = torch.arange(len(images)) % 2
    for _ in range(steps):
        optimiser.zero_grad()
        logits = model.head(model.encoder(images))[:, 0]
        torch.nn.functional.binary_cross_entropy_with_logits(logits, target.float()).backward()
        optimiser.step()
    parameters = dict(model.encoder.named_parameters())
    return {name: None if p.grad is None else float(p.grad.abs().max()) for name, p in parameters.items()}


def _judge(given: Given, answer: Any) -> Fault | None:
    again = "eval() and train(), then " if given["again"] else ""
    how = f"an encoder, frozen, then {again}{given['steps']} steps of SGD"
    if "raised" in answer:
        return Fault(how, answer["raised"], "a head that learns", "head-too", broke=True)
    moved = _changed(answer["before"], answer["after"])
    weights = [name for name in moved if name.rsplit(".", 1)[-1] not in _STATISTICS]
    if weights:
        got = f"{len(weights)} weights have changed: {listing(weights, 4)}"
        return Fault(how, got, "the same weights, bit for bit", _mistake_of_weights(answer["gradients"], weights))
    fault = _fault_of_statistics(how, given, answer, moved)
    if fault is not None:
        return fault
    if not _changed(*answer["head"]):
        return Fault(how, "the head has not changed either", "a head that learns", "head-too")
    learning = [name for name, gradient in answer["gradients"].items() if gradient is not None]
    if learning:
        got = f"gradients are worked out for {listing(learning, 4)}"
        return Fault(how, got, "no gradient in the encoder", "gradient-left")
    return _fault_of_features(how, answer)


def _changed(before: Mapping[str, Array], after: Mapping[str, Array]) -> list[str]:
    """What is not the same bit for bit; a frozen layer of another class may lack some."""
    return [name for name, value in before.items() if name in after and not np.array_equal(value, after[name])]


def _mistake_of_weights(gradients: Mapping[str, float | None], weights: list[str]) -> str:
    largest = max((value or 0.0 for value in gradients.values()), default=0.0)
    if largest == 0:
        return "gradient-zero"
    return "some-layers" if len(weights) < len(gradients) else "gradient-left"


def _fault_of_statistics(how: str, given: Given, answer: Any, moved: list[str]) -> Fault | None:
    if not moved:
        return None
    layers = {name.rsplit(".", 1)[0] for name in answer["before"] if name.endswith("running_mean")}
    touched = {name.rsplit(".", 1)[0] for name in moved}
    if touched < layers:
        mistake = "some-layers"
    elif all(name.endswith("num_batches_tracked") for name in moved):
        mistake = "batch-statistics"
    else:
        mistake = "undone-by-train" if given["again"] else "statistics-move"
    return Fault(how, f"changed: {listing(sorted(moved), 4)}", "the same statistics, bit for bit", mistake)


def _fault_of_features(how: str, answer: Any) -> Fault | None:
    reference, (first, second, alone) = answer["reference"], answer["features"]
    if not np.array_equal(first, second):
        return Fault(how, "two looks at the same images give other features", "the same features", "dropout-left")
    if np.abs(first[:2] - alone).max() > _CLOSE:
        got = "features of an image that depend on the other images of its batch"
        return Fault(how, got, "the same features, whatever the batch", "batch-statistics")
    away = float(np.abs(first - reference).max())
    if not away < _CLOSE:
        return Fault(how, f"features up to {away:.3g} away from those before freezing", "the same features")
    return None


EXERCISE = Exercise(
    id="freeze",
    title="Freezing an encoder",
    notebook=4,
    defines="freeze",
    takes="a function freeze(module) that freezes any module, in place or by returning a frozen one: whatever "
    "training does from then on, model.train() included, no gradient is worked out for it, its weights and buffers "
    "stay the same bit for bit, and the same images give the same features",
    probes=(
        Probe("weights and statistics after some steps", _draw, _ask, _judge),
        Probe("the same, when train() was called again", _draw_again, _ask, _judge),
        Probe("an encoder with dropout", _draw_dropout, _ask, _judge),
    ),
    hints=(
        "Two things change a network in training: gradients change weights, and forward passes change the statistics "
        "of BatchNorm.",
        "requires_grad_(False) stops the first, eval() the second and dropout too. But every epoch begins with "
        "model.train(), which reaches all modules inside: see to it that yours stays in eval.",
        "module.requires_grad_(False); module.eval(); and then replace its method: module.train = lambda mode=True: "
        "module. model.train() now passes it by, and all that is inside.",
    ),
    mistakes={
        "statistics-move": "The weights stand still, but BatchNorm does not: in train mode it updates its running "
        "mean and variance at each forward pass, gradient or not. Put the module into eval mode.",
        "undone-by-train": "eval() holds until somebody calls train(), which is at the start of each epoch. Make it "
        "hold: give the module a train method that leaves it in eval.",
        "gradient-left": "The module still learns. Switch off its gradients: requires_grad_(False) for all parameters.",
        "gradient-zero": "A gradient of 0 is not the same as none: weight decay and momentum still move the weights, "
        "and the backward pass still costs its time. Set requires_grad to False.",
        "some-layers": "Some layers are frozen, others not. children() gives the outermost layers alone; modules() "
        "gives all, at any depth. And there is more than BatchNorm2d.",
        "head-too": "What comes behind the encoder cannot learn any more. Freeze the parameters of the module you "
        "were given; do not switch gradients off for everything.",
        "dropout-left": "Two looks at the same image differ, so something random is still on: dropout. The whole "
        "module belongs into eval mode, not BatchNorm alone.",
        "batch-statistics": "BatchNorm does not store new statistics, but still normalises by those of the batch: an "
        "image's features then depend on its neighbours. In eval mode it uses what it learned in pretraining.",
    },
)
