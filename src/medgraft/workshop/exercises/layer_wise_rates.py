"""Layer-wise learning rates: lower towards the input, still so at every step of the schedule, nothing left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medgraft.errors import listing
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

Array = np.ndarray[Any, Any]
_NEAR = 0.1
"""Share by which a rate may be off: a schedule may pass its peak between two steps."""
_HIGH = 0.3
"""Of its peak: below it rates are so small that a floor of the schedule shows."""


def _draw(rng: np.random.Generator) -> Given:
    """The lowest rate is 6e-5: far above the floor that a schedule may have."""
    return {
        "blocks": int(rng.integers(3, 6)),
        "lr": float(rng.choice([2e-3, 5e-3, 1e-2])),
        "decay": float(rng.choice([0.5, 0.6, 0.7])),
        "steps": int(rng.integers(40, 60)),
    }


def _draw_deep(rng: np.random.Generator) -> Given:
    return {"blocks": int(rng.integers(7, 10)), "lr": 1e-2, "decay": 0.8, "steps": int(rng.integers(60, 80))}


def _ask(learner: Any, given: Given) -> Any:
    """Take all steps, and write down the rate that each parameter really has at each."""
    from medgraft.workshop.worker import told

    model = _model(given["blocks"])
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    try:
        optimiser, schedule = learner(model, given["lr"], given["decay"], given["steps"])
    except ValueError as error:
        if "more than one parameter group" not in str(error):
            raise
        return {"raised": told(error)}
    rates: list[list[float]] = []
    for step in range(given["steps"]):
        if step:
            schedule.step()
        rates.append([float(group["lr"]) for group in optimiser.param_groups])
        optimiser.step()  # without gradients nothing moves; some schedules complain where no step was taken
    return {
        "all": list(names.values()),
        "groups": [[names.get(id(p), "another") for p in group["params"]] for group in optimiser.param_groups],
        "rates": np.array(rates),
        "one-peak": ["max_lr" in group for group in optimiser.param_groups],
    }


def _model(blocks: int) -> Any:
    """A head, and an encoder whose ``blocks`` lie in order; some blocks hold others."""
    from torch import nn

    def block(place: int) -> nn.Module:
        layers = [nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)]
        return nn.Sequential(*layers, nn.Sequential(nn.Conv2d(2, 2, 1))) if place % 2 else nn.Sequential(*layers)

    model, encoder = nn.Module(), nn.Module()
    encoder.blocks = nn.ModuleList(block(place) for place in range(blocks))
    model.encoder, model.head = encoder, nn.Linear(2, 2)
    return model


def _judge(given: Given, answer: Any) -> Fault | None:
    blocks, lr, decay = given["blocks"], given["lr"], given["decay"]
    what = f"{blocks} blocks and a head, lr {lr:g}, decay {decay:g}, {given['steps']} steps"
    if "raised" in answer:
        return Fault(what, answer["raised"], "each parameter in one group", "twice", broke=True)
    fault = _fault_of_groups(what, answer)
    if fault is not None:
        return fault
    rates = _by_part(answer)
    for part, columns in rates.items():
        least, most = float(columns.max(axis=0).min()), float(columns.max())
        if most > (1 + _NEAR) * least:
            got = f"within {part}, rates from {least:.2g} to {most:.2g} at their highest"
            return Fault(what, got, f"one rate for all of {part}", "uneven")
    wanted = {"head": lr} | {f"block {k}": lr * decay ** (blocks - k) for k in range(blocks)}
    peaks = {part: float(column.max()) for part, column in rates.items()}
    if all(abs(peaks[part] / rate - 1) < _NEAR for part, rate in wanted.items()):
        return _fault_of_schedule(what, rates)
    mistake = _mistake(given, answer, rates, peaks)
    when = " at their highest"
    return Fault(what, _told(peaks) + when, _told(wanted) + when, mistake)


def _fault_of_groups(what: str, answer: Any) -> Fault | None:
    listed = [name for group in answer["groups"] for name in group]
    twice = sorted({name for name in listed if listed.count(name) > 1})
    missing = [name for name in answer["all"] if name not in listed]
    got = f"{len(answer['groups'])} groups with {len(listed)} of {len(answer['all'])} parameters"
    if twice:
        return Fault(what, f"{got}; more than once: {listing(twice, 3)}", "each parameter in one group", "twice")
    if missing:
        return Fault(what, f"{got}; missing: {listing(missing, 3)}", "each parameter in one group", "missing")
    return None


def _by_part(answer: Any) -> dict[str, Array]:
    """The rates ``[steps, parameters]`` of the head and of each block."""
    found: dict[str, list[Array]] = {}
    for place, group in enumerate(answer["groups"]):
        for name in (name for name in group if name != "another"):
            part = "head" if name.startswith("head") else f"block {name.split('.')[2]}"
            found.setdefault(part, []).append(answer["rates"][:, place])
    return {part: np.stack(columns, axis=1) for part, columns in sorted(found.items())}


def _fault_of_schedule(what: str, rates: Mapping[str, Array]) -> Fault | None:
    """Of rates with the right peaks: whether they keep their ratios, and fall."""
    head = rates["head"][:, 0]
    high = head >= _HIGH * head.max()
    for part, columns in rates.items():
        ratios = columns[high] / head[high, None]
        apart = float(np.ptp(ratios) / ratios.mean())
        if apart > _NEAR:
            got = f"{part} at {ratios.min():.3g} to {ratios.max():.3g} times the head's rate, depending on the step"
            return Fault(what, got, "the same ratio at every step", "flattened")
    left = max(float((columns[-1] / columns.max(axis=0)).max()) for columns in rates.values())
    if left > 0.15:
        return Fault(what, f"{left:.0%} of the highest rate at the last step", "at most a tenth", "no-schedule")
    return None


def _mistake(given: Given, answer: Any, rates: Mapping[str, Array], peaks: Mapping[str, float]) -> str | None:
    blocks, lr, decay = given["blocks"], given["lr"], given["decay"]

    def all_near(power: Any) -> bool:
        return all(abs(peaks[f"block {k}"] / (lr * decay ** power(k)) - 1) < _NEAR for k in range(blocks))

    apart = max(peaks.values()) / max(min(peaks.values()), 1e-30)
    if apart < 1 + _NEAR:
        starts = [float(columns[0].max()) for columns in rates.values()]
        lost = max(starts) / max(min(starts), 1e-30) > 1 + _NEAR
        return "flattened" if lost or (len(answer["groups"]) > 1 and all(answer["one-peak"])) else "same-rate"
    if max(rates_of_blocks := [peaks[f"block {k}"] for k in range(blocks)]) < (1 + _NEAR) * min(rates_of_blocks):
        return "same-rate"
    if all_near(lambda k: k + 1) or all_near(lambda k: k):
        return "reversed"
    if all_near(lambda k: blocks - 1 - k):
        return "off-by-one"
    wanted = {"head": lr} | {f"block {k}": lr * decay ** (blocks - k) for k in range(blocks)}
    off = [peaks[part] / rate for part, rate in wanted.items()]
    if max(off) < (1 + _NEAR) * min(off):
        return "factor"
    last = {part: float(columns[-1].max()) for part, columns in rates.items()}
    return "flattened" if max(last.values()) / max(min(last.values()), 1e-30) < 1 + _NEAR else None


def _told(rates: Mapping[str, float]) -> str:
    ordered = sorted(
        rates.items(), key=lambda item: (item[0] == "head", int(item[0].split()[-1] if " " in item[0] else 0))
    )
    return ", ".join(f"{part} {rate:.2g}" for part, rate in ordered)


EXERCISE = Exercise(
    id="layer-wise-rates",
    title="Layer-wise learning rates",
    notebook=5,
    defines="make_optimiser",
    takes="a function make_optimiser(model, lr, decay, steps) that returns an optimiser and its schedule; the head, "
    "model.head, reaches lr, the last of model.encoder.blocks lr * decay, the one before it lr * decay**2, and so on "
    "to the input. schedule.step() is called after each of the `steps` steps, and at the last of them every rate is "
    "at most a tenth of its highest",
    probes=(
        Probe("the rates of some blocks, step by step", _draw, _ask, _judge),
        Probe("the same of a deep encoder", _draw_deep, _ask, _judge),
    ),
    hints=(
        "An optimiser takes a list of groups, each a dict with params and an lr of its own.",
        "One group for the head, one for each block. Counted from the output, the first block has lr * decay, the "
        "next lr * decay**2. A schedule must multiply these rates, each group's own, and not set one for all.",
        "groups = [{'params': model.head.parameters(), 'lr': lr}]; for each depth, block in "
        "enumerate(reversed(model.encoder.blocks), 1) add {'params': block.parameters(), 'lr': lr * decay**depth}. "
        "Then torch.optim.AdamW(groups) and CosineAnnealingLR(optimiser, steps), or OneCycleLR with a list of max_lr.",
    ),
    mistakes={
        "flattened": "The groups are there, but the schedule brings their rates together. OneCycleLR with one max_lr "
        "does so: give it a list, max_lr=[group['lr'] for group in groups], or take a schedule that multiplies each "
        "group's own rate (CosineAnnealingLR, LambdaLR). A high floor (eta_min), the same for all, does so too.",
        "factor": "The rates have the right ratios, and are all too large or too small by one factor. LambdaLR "
        "multiplies the rate of each group by what its function returns: that is a factor from 0 to 1, and no rate.",
        "uneven": "The parameters of one block have different rates. Biases and norms belong to their block: a group "
        "of their own, without weight decay, needs the block's lr as well. And decay counts blocks, not layers.",
        "same-rate": "All layers, or all blocks, learn at the same rate. Make a group for each block, with an lr of "
        "its own.",
        "reversed": "The rates fall towards the output. It is the first layers that know edges and textures, which "
        "hold for any image, and should change least: count from the head.",
        "off-by-one": "The last block has the head's rate. The head is new and has most to learn: the last block "
        "begins at lr * decay.",
        "twice": "Some parameters are in two groups. model.parameters() holds those of the blocks too: take the "
        "head's and each block's on their own.",
        "missing": "Some parameters are in no group, so they never change: the head and all blocks, the first as "
        "well, biases and norms included, are to be there.",
        "no-schedule": "The rates stay high to the end. Give the schedule the number of steps, so that it falls over "
        "all of them, and return it with the optimiser.",
    },
)
