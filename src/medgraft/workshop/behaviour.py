"""What a learner's code does, as plain values that are judged elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def attempt(call: Callable[[], Any]) -> dict[str, Any]:
    """``{"value": what it gives}``, or ``{"raised": the error}`` where an error is an answer to be judged."""
    from medgraft.workshop.worker import told

    try:
        return {"value": call()}
    except Exception as error:
        return {"raised": told(error)}


def network(learner: Any, *arguments: Any, seed: int = 0) -> Any:
    """The learner's network with other weights for each ``seed``, in float64: small effects count."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = learner(*arguments)
    refuse_plain_lists(model)
    return model.double()


def refuse_plain_lists(model: Any) -> None:
    """Layers that PyTorch does not know are neither trained nor moved, though all shapes are right."""
    import torch

    known = {id(parameter) for parameter in model.parameters()}
    for module in model.modules():
        for name, value in vars(module).items():
            held = value.values() if isinstance(value, dict) else value
            if name.startswith("_") or not isinstance(value, list | tuple | dict):
                continue
            layers = [one for one in held if isinstance(one, torch.nn.Module)]
            if any(id(parameter) not in known for layer in layers for parameter in layer.parameters()):
                kind = type(value).__name__
                raise TypeError(
                    f"the layers in self.{name}, a plain {kind}, are not in parameters(), so no optimiser trains them; "
                    "keep them in an nn.ModuleList or an nn.Sequential"
                )


def tensor(values: Array) -> Any:
    """A float64 tensor of its own."""
    import torch

    return torch.tensor(np.asarray(values, np.float64))


def apply(model: Any, *inputs: Array) -> Any:
    """What the network gives for these inputs, with no gradient."""
    import torch

    with torch.no_grad():
        return model(*(tensor(one) for one in inputs))


def reach(model: Any, inputs: tuple[Array, ...], of: int, row: int, column: int) -> Array:
    """Which pixels of ``inputs[of]`` the output at (row, column) depends on: ``[H, W]``, the sizes of the gradients.

    They are added up over the batch and the channels; those of the output have random weights, so that none cancel.
    """
    import torch

    given = [tensor(one).requires_grad_(True) for one in inputs]
    pixels = model(*given)[:, :, row, column]
    (gradient,) = torch.autograd.grad((pixels * torch.randn_like(pixels)).sum(), given[of], allow_unused=True)
    found = torch.zeros_like(given[of]) if gradient is None else gradient
    return np.asarray(found.abs().sum(dim=(0, 1)))


def extent(reached: Array) -> tuple[int, int]:
    """Rows and columns of the smallest rectangle that holds all that is not 0."""
    rows, columns = np.nonzero(reached)
    if not len(rows):
        return 0, 0
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def size(shape: tuple[int, ...]) -> str:
    """A shape as PyTorch prints it."""
    return "[" + ", ".join(str(side) for side in shape) + "]"


def numbers(values: Any, digits: int = 4) -> str:
    """A few numbers in a row."""
    return ", ".join(f"{value:.{digits}f}" for value in np.ravel(values))
