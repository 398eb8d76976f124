"""The eight ways to look at a square: turns by quarters and reflections, each of which can be undone exactly.

They are the elements of the dihedral group of the square; no pixel is interpolated, so a mask that was found on a
turned image lies on the image itself again, bit for bit, once it is turned back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from medgraft.errors import RecipeError, suggest
from medgraft.policy import Augment


@dataclass(frozen=True)
class View:
    """A reflection left to right or none, and after it so many quarter turns to the left.

    Attributes
    ----------
    name : as options name it.
    flip : whether left and right are swapped first.
    turns : quarter turns counter-clockwise, 0 to 3.
    """

    name: str
    flip: bool
    turns: int

    def of(self, images: Tensor) -> Tensor:
        """What is seen of images [..., H, W]; a quarter turn makes [..., W, H] of them."""
        flipped = images.flip(-1) if self.flip else images
        return torch.rot90(flipped, self.turns, (-2, -1)) if self.turns else flipped

    def undo(self, maps: Tensor) -> Tensor:
        """Bring maps [..., H, W] of what is seen back to where the images lay."""
        turned = torch.rot90(maps, -self.turns, (-2, -1)) if self.turns else maps
        return turned.flip(-1) if self.flip else turned


IDENTITY = View("identity", False, 0)

VIEWS: tuple[View, ...] = (
    IDENTITY,
    View("left-right", True, 0),
    View("up-down", True, 2),
    View("turn-180", False, 2),
    View("turn-90", False, 1),
    View("turn-270", False, 3),
    View("transpose", True, 1),
    View("anti-transpose", True, 3),
)
"""All eight; the first four keep the sides of an image that is no square."""

NONE, POLICY = "none", "policy"
"""Options that are no views' names: the image alone, and what the training's augmentation allows."""


def views_of_policy(policy: Augment) -> tuple[View, ...]:
    """The views that a training with this augmentation has shown to the model; the image itself comes first.

    A flip counts where it had a chance, a quarter turn where the rotations reach 90 degrees, a half turn where they
    reach 180 or both flips had a chance. A chest X-ray (policy ``xray``: no flips, 10 degrees) is looked at as it is.
    """
    turns = {0} | ({1, 3} if policy.rotation >= 90 else set()) | ({2} if policy.rotation >= 180 else set())
    across = {False} | ({True} if policy.flip_horizontal > 0 else set())
    down = {False} | ({True} if policy.flip_vertical > 0 else set())
    # An up-down flip is a left-right flip and a half turn.
    seen = {(h != v, (2 * v + t) % 4) for h in across for v in down for t in turns}
    return tuple(view for view in VIEWS if (view.flip, view.turns) in seen)


def parse_views(text: str, policy: Augment) -> tuple[View, ...]:
    """Read the option ``tta``: ``none``, ``policy``, or names of views, comma separated; the image is always one.

    Raises
    ------
    RecipeError
        For a name that no view has.
    """
    if text == NONE:
        return (IDENTITY,)
    if text == POLICY:
        return views_of_policy(policy)
    return _named(part.strip() for part in text.split(",") if part.strip())


def _named(names: Iterable[str]) -> tuple[View, ...]:
    chosen = {IDENTITY.name}
    known = [view.name for view in VIEWS]
    for name in names:
        if name not in known:
            raise RecipeError(
                f"tta: no view {name!r} of an image; there are {NONE}, {POLICY} and {', '.join(known)}."
                f"{suggest(name, [NONE, POLICY, *known])}"
            )
        chosen.add(name)
    return tuple(view for view in VIEWS if view.name in chosen)
