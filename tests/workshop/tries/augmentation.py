"""Augmentations of X-rays that learners write."""

import cv2
import numpy as np
import torch
from torch.nn import functional as F
from torchvision.transforms import functional as TF
from torchvision.transforms import v2


def _move(image, rng, degrees=10):
    return TF.rotate(image, rng.uniform(-degrees, degrees), TF.InterpolationMode.BILINEAR)


def _brighten(image, rng):
    return (image * float(rng.uniform(0.8, 1.2))).clamp(0, 1)


def of_parts(image, rng):
    """Sometimes this, sometimes that."""
    if rng.random() < 0.7:
        image = _move(image, rng)
    if rng.random() < 0.7:
        image = TF.adjust_contrast(image, rng.uniform(0.8, 1.2))
    return _brighten(image, rng)


def with_opencv(picture, generator):
    pixels = picture.numpy()[0]
    h, w = pixels.shape
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), generator.uniform(-10, 10), generator.uniform(0.9, 1.1))
    matrix[:, 2] += generator.uniform(-0.1, 0.1, 2) * (w, h)
    moved = cv2.warpAffine(pixels, matrix, (w, h), borderMode=cv2.BORDER_REFLECT_101)
    middle = moved.mean()
    changed = (moved - middle) * generator.uniform(0.8, 1.2) + middle + generator.normal(0, 0.02, moved.shape)
    return torch.from_numpy(np.clip(changed, 0, 1).astype(np.float32))[None]


class Augment:
    """An object rather than a function, with a grid of its own and gamma."""

    def __call__(self, image, rng):
        angle, zoom = np.deg2rad(np.clip(rng.normal(0, 4), -10, 10)), rng.uniform(0.95, 1.1)
        cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
        theta = torch.tensor([[cos, -sin, rng.uniform(-0.1, 0.1)], [sin, cos, 0]], dtype=torch.float32)
        grid = F.affine_grid(theta[None], [1, *image.shape], align_corners=False)
        return F.grid_sample(image[None], grid, align_corners=False)[0].clamp(0, 1) ** rng.uniform(0.8, 1.2)


def with_v2(image, rng):
    torch.manual_seed(int(rng.integers(2**31)))
    move = v2.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR)
    return v2.Compose([move, v2.ColorJitter(0.2, 0.2)])(image)


def now_and_then(image, rng):
    """Each change in half of the calls, none in a quarter of them."""
    if rng.random() < 0.5:
        h, w = image.shape[-2:]
        image = torch.roll(image, (int(rng.integers(-h // 12, h // 12)), int(rng.integers(-w // 12, w // 12))), (1, 2))
    return _brighten(image, rng) if rng.random() < 0.5 else image


def in_place(image, rng):
    image *= float(rng.uniform(0.8, 1.2))
    return _move(image.clamp_(0, 1), rng)


def doubles(image, rng):
    return torch.from_numpy(np.clip(_move(image, rng).numpy() * rng.uniform(0.8, 1.2, (1, 1, 1)), 0, 1))


def grows(image, rng):
    return _brighten(TF.rotate(image, rng.uniform(-10, 10), expand=True), rng)


def unclipped(image, rng):
    return _move(image, rng) * float(rng.uniform(0.8, 1.2)) + float(rng.uniform(-0.1, 0.1))


def always_same(image, rng):
    return of_parts(image, np.random.default_rng(42))


def global_random(image, rng):
    return of_parts(image, np.random)


def of_torch(image, rng):
    return (_move(image, rng) * (0.8 + 0.4 * torch.rand(1))).clamp(0, 1)


def upside_down(image, rng):
    return of_parts(image.flip(-2) if rng.random() < 0.5 else image, rng)


def mirrored(image, rng):
    return of_parts(image.flip(-1) if rng.random() < 0.5 else image, rng)


def turned(image, rng):
    return _brighten(_move(image, rng, 90), rng)


def turned_a_little_too_far(image, rng):
    return _brighten(_move(image, rng, 20), rng)


def zoomed(image, rng):
    return _brighten(TF.affine(image, 0, [0, 0], rng.uniform(0.6, 1.4), [0.0], v2.InterpolationMode.BILINEAR), rng)


def shifted(image, rng):
    down, across = (int(side * rng.uniform(-0.3, 0.3)) for side in image.shape[1:])
    return _brighten(TF.affine(image, 0, [across, down], 1.0, [0.0]), rng)


def too_strong(image, rng):
    return (_move(image, rng) * float(rng.uniform(0.3, 1.7))).clamp(0, 1)


RIGHT = [of_parts, with_opencv, Augment(), with_v2, now_and_then]
WRONG = {
    "in-place": in_place, "dtype": doubles, "shape": grows, "range": unclipped, "always-same": always_same,
    "global-random": global_random, "upside-down": upside_down, "mirrored": mirrored, "turned": turned,
    "no-geometry": _brighten, "no-intensity": _move, "zoomed": zoomed, "shifted": shifted, "too-strong": too_strong,
}  # fmt: skip
ALSO_WRONG = [("turned", turned_a_little_too_far)]
