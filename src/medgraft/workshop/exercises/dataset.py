"""A paired data set: an image and its mask from two folders, by name, and never a mask made up."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.workshop.behaviour import attempt, size
from medgraft.workshop.exercise import Exercise, Fault, Given, Probe

Array = npt.NDArray[Any]
_MOST = 20
"""Items read of a data set, whatever length it claims."""
_CLOSE = 1e-5


def _draw(rng: np.random.Generator) -> Given:
    """A folder in which what is often taken for granted is not so: sizes differ, one image is grey, masks lack images.

    The masks without an image come first by name, so that the n-th image and the n-th mask do not belong together.
    """
    names = [f"{letter}{rng.integers(999):03d}" for letter in "bcdefgh"]
    sides = rng.permutation(np.arange(9, 23)).reshape(7, 2)
    images = {name: rng.integers(0, 180, (*side, 3), np.uint8) for name, side in zip(names, sides, strict=True)}
    masks = {name: _mask(rng, images[name].shape[:2]) for name in names}
    grey = str(rng.choice(names))
    images[grey] = images[grey][..., 0]
    masks[names[-1 if grey != names[-1] else 0]][:] = 0
    masks[f"a{rng.integers(999):03d}"] = _mask(rng, (8, 8))
    return {"images": images, "masks": masks, "written": rng.permutation(names).tolist()}


def _draw_missing(rng: np.random.Generator) -> Given:
    names = [f"{letter}{rng.integers(999):03d}" for letter in "abcd"]
    images = {name: rng.integers(0, 255, (7, 9, 3), np.uint8) for name in names}
    missing = str(rng.choice(names))
    masks = {name: _mask(rng, (7, 9)) for name in names if name != missing}
    return {"images": images, "masks": masks, "written": names, "missing": missing}


def _mask(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    mask = np.where(rng.random(shape) < 0.4, 255, 0).astype(np.uint8)
    mask[0, :2] = 0, 255
    return mask


def _write(given: Given, root: Path) -> None:
    from PIL import Image

    for kind in ("images", "masks"):
        (root / kind).mkdir()
        left = [name for name in given[kind] if name not in given["written"]]
        for name in [*given["written"], *left]:
            if name in given[kind]:
                Image.fromarray(given[kind][name]).save(root / kind / f"{name}.png")


def _ask(learner: Any, given: Given) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        _write(given, Path(folder))
        dataset = learner(Path(folder))
        return {"length": len(dataset), "items": [list(dataset[i]) for i in range(min(len(dataset), _MOST))]}


def _ask_missing(learner: Any, given: Given) -> Any:
    """What happens when it is made and, if nothing does, what its items are."""
    with tempfile.TemporaryDirectory() as folder:
        _write(given, Path(folder))
        datasets: list[Any] = []
        made = attempt(lambda: datasets.append(learner(Path(folder))))
        items: list[Any] = []
        for dataset in datasets:
            items += [attempt(lambda i=i, d=dataset: list(d[i])) for i in range(min(len(dataset), _MOST))]  # type: ignore[misc]
        return {"made": made, "items": items}


def _judge(given: Given, answer: Any) -> Fault | None:
    what = f"a folder of {len(given['images'])} images (one is grey) and {len(given['masks'])} masks"
    names, length = sorted(given["images"]), answer["length"]
    if length != len(names):
        return Fault(what, f"a length of {length}", f"{len(names)}: one item for each image", "length")
    for place, item in enumerate(answer["items"]):
        where = f"image {names[place]} ({size(given['images'][names[place]].shape)}), item {place}"
        if len(item) != 2 or not all(isinstance(part, np.ndarray) for part in item):
            kinds = ", ".join(size(part.shape) if isinstance(part, np.ndarray) else repr(part)[:30] for part in item)
            return Fault(where, f"{len(item)} things: {kinds}", "two tensors: (image, mask)", "not-a-pair")
        image, mask = item
        fault = _form_fault(where, given["images"][names[place]].shape[:2], image, mask)
        fault = fault or _image_fault(where, given, names, place, image)
        fault = fault or _mask_fault(where, given, names[place], mask)
        if fault is not None:
            return fault
    return None


def _form_fault(where: str, side: tuple[int, ...], image: Any, mask: Any) -> Fault | None:
    """Number of axes, channels and types; heights and widths are left to what looks for the right file."""
    for kind, found, channels in (("image", image, 3), ("mask", mask, 1)):
        got = f"{kind}: {size(found.shape)}, {found.dtype}"
        expected = f"{kind}: {size((channels, *side))}, float32"
        if kind == "image" and found.ndim == 3 and found.shape[0] != 3 and found.shape[2] == 3:
            return Fault(where, got, expected, "channels-last")
        if kind == "image" and (found.ndim == 2 or found.shape[0] == 1):
            return Fault(where, got, expected, "grey")
        if kind == "mask" and found.ndim == 2:
            return Fault(where, got, expected, "mask-axis")
        if found.ndim != 3 or found.shape[0] != channels:
            return Fault(where, got, expected)
        if found.dtype != np.float32:
            return Fault(where, got, expected, "dtype")
    return None


def _image_fault(where: str, given: Given, names: list[str], place: int, image: Array) -> Fault | None:
    right = _as_image(given["images"][names[place]])
    if _same(image, right):
        return None
    got, expected = f"{size(image.shape)}, {_range(image)}", f"{size(right.shape)}, {_range(right)}"
    others = [name for name in names if _same(image, _as_image(given["images"][name]))]
    if others:
        return Fault(where, f"image {others[0]}", f"image {names[place]}", "unsorted")
    known = {
        "scale-255": right * 255,
        "bgr": right[::-1],
        "own-maximum": right / right.max(),
        "sides-swapped": right.transpose(0, 2, 1),
        "reshaped": right.transpose(1, 2, 0).reshape(right.shape),
    }
    mistake = next((name for name, array in known.items() if _same(image, array)), None)
    if image.shape == right.shape:
        away = np.abs(image - right).max(axis=0)
        got += f"; {(away > _CLOSE).sum()} of {away.size} pixels are wrong, by up to {away.max():.2f}"
    return Fault(where, f"image: {got}", f"image: {expected}", mistake)


def _mask_fault(where: str, given: Given, name: str, mask: Array) -> Fault | None:
    right = _as_mask(given["masks"][name])
    if _same(mask, right):
        return None
    if np.isnan(mask).any():
        return Fault(f"{where}, whose mask holds no foreground", "a mask of NaN", "a mask of zeros", "own-maximum")
    if any(_same(mask > 0, _as_mask(other) > 0) for key, other in given["masks"].items() if key != name):
        return Fault(where, "the mask of another image", f"mask {name}", "by-position")
    got, expected = f"mask: {size(mask.shape)}, {_range(mask)}", f"mask: {size(right.shape)}, values 0 and 1"
    if _same(mask, 1 - right):
        return Fault(where, "a mask that is 1 outside the lesion and 0 inside", expected, "mask-values")
    scaled = mask.shape == right.shape and bool(np.all((mask > 0) == (right > 0)))
    return Fault(where, got, expected, "mask-values" if scaled else None)


def _judge_missing(given: Given, answer: Any) -> Fault | None:
    missing = given["missing"]
    what = f"a folder in which image {missing}.png has no mask"
    expected = f"an error that names {missing}, when the data set is made"
    if "raised" in answer["made"]:
        said = answer["made"]["raised"]
        return None if missing in said else Fault(what, said, expected, "unnamed")
    items = answer["items"]
    late = next((item["raised"] for item in items if "raised" in item), None)
    if late is not None:
        return Fault(what, f"{late}; but only when that item was read", expected, "late")
    if len(items) < len(given["images"]):
        return Fault(what, f"a data set of {len(items)} items, with no word on it", expected, "left-out")
    mask = items[sorted(given["images"]).index(missing)]["value"][1]
    kind = "empty" if not np.any(mask) else "other"
    return Fault(what, f"an {kind} mask for it", expected, "empty-mask" if kind == "empty" else "by-position")


def _as_image(pixels: Array) -> Array:
    coloured = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)
    return np.asarray(coloured.transpose(2, 0, 1) / 255, np.float32)


def _as_mask(pixels: Array) -> Array:
    return (pixels[None] > 127).astype(np.float32)


def _same(found: Array, right: Array) -> bool:
    return found.shape == right.shape and bool(np.allclose(found, right, rtol=0, atol=_CLOSE))


def _range(values: Array) -> str:
    return f"values {values.min():.3g} to {values.max():.3g}"


EXERCISE = Exercise(
    id="dataset",
    title="A paired data set",
    notebook=2,
    defines="PairedDataset",
    takes="a class of a data set, made as PairedDataset(root) of a pathlib.Path that holds images/NAME.png (8 bits, "
    "colour or grey) and masks/NAME.png (0 and 255), which may hold further masks; len(dataset), and dataset[i] -> "
    "(image, mask), float32 tensors [3, H, W] in 0 to 1 and [1, H, W] of 0 and 1, in the order of sorted names",
    probes=(
        Probe("images and masks belong together, in the right form", _draw, _ask, _judge),
        Probe("an image without a mask", _draw_missing, _ask_missing, _judge_missing),
    ),
    hints=(
        "Make the list of pairs once, in __init__, and read the files in __getitem__.",
        "Go through sorted((root / 'images').iterdir()); the mask of an image has the same file name in root / "
        "'masks'. Where it does not exist, raise an error that says which.",
        "image: np.asarray(Image.open(path).convert('RGB')) / 255, transposed to [3, H, W]; mask: "
        "np.asarray(Image.open(path)) > 127 with an axis in front; torch.from_numpy and float() for both.",
    ),
    mistakes={
        "length": "There is an item for each image, and no more: masks without an image are left out. Build the list "
        "from the folder of images.",
        "unsorted": "A folder comes in any order, another one on another computer. Sort the names, so that item 3 is "
        "the same image everywhere.",
        "by-position": "The n-th image and the n-th mask need not belong together: one file too many in a folder moves "
        "all that follow. Find the mask by the name of its image.",
        "channels-last": "PyTorch wants the channels first: [3, H, W]. Files give [H, W, 3]; move the last axis.",
        "sides-swapped": "Rows and columns have changed places: only the channels move, from the last place to the "
        "first. NumPy's .T turns all three round; take transpose(2, 0, 1), or permute(2, 0, 1) in PyTorch.",
        "reshaped": "The shape is right and the pixels are scrambled: reshape and view read the numbers in the same "
        "order and only count them anew. To move an axis take transpose(2, 0, 1), or permute(2, 0, 1) in PyTorch.",
        "not-a-pair": "dataset[i] is a pair of tensors: return image, mask.",
        "grey": "Some files hold a single grey channel. Convert each image to RGB when it is read.",
        "dtype": "Networks compute in float32. uint8 cannot be multiplied by weights, and NumPy's division gives "
        "float64: convert.",
        "scale-255": "8-bit pixels go from 0 to 255: divide by 255.",
        "bgr": "Red and blue have changed places: OpenCV reads images as blue, green, red. Turn the channels round.",
        "own-maximum": "You divide by the largest value of each file. A dark image then comes out as bright as any, "
        "and an empty mask is 0 / 0. Divide images by 255 always, and compare masks with a threshold.",
        "mask-axis": "A mask needs an axis for its one channel, too: [1, H, W].",
        "mask-values": "Files store foreground as 255 and the rest as 0; the loss wants 1 and 0. Compare with a "
        "threshold: pixels > 127.",
        "empty-mask": "A mask that is not there is not an empty mask: the model would learn that this lesion is none. "
        "Raise an error that names the file.",
        "left-out": "An image without a mask vanished with no word. Perhaps a whole folder is missing: raise an error "
        "that names the file, and let a person decide.",
        "late": "The error comes when the item is read, perhaps an hour into a training. Look whether each mask exists "
        "in __init__.",
        "unnamed": "Say in the error which file has no mask; among thousands nobody finds it otherwise.",
    },
)
