"""Augmentation of a chest X-ray: a small turn and zoom, and another brightness; no flips."""

from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import affine


def augment(image, rng):
    moved = affine(
        image,
        angle=rng.uniform(-10, 10),
        translate=[0, 0],
        scale=rng.uniform(0.9, 1.1),
        shear=[0.0],
        interpolation=InterpolationMode.BILINEAR,
    )
    factor = float(rng.uniform(0.8, 1.2))
    return (moved * factor).clamp(0, 1)
