"""Augmentation of a photograph of skin with its mask: the same flip, turn and zoom for both."""

from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import affine


def augment_pair(image, mask, rng):
    if rng.random() < 0.5:
        image, mask = image.flip(-1), mask.flip(-1)
    geometry = {
        "angle": rng.uniform(-180, 180),
        "translate": [0, 0],
        "scale": rng.uniform(0.9, 1.1),
        "shear": [0.0],
    }
    image = affine(image, **geometry, interpolation=InterpolationMode.BILINEAR)
    mask = affine(mask, **geometry, interpolation=InterpolationMode.NEAREST)
    factor = float(rng.uniform(0.8, 1.2))
    return (image * factor).clamp(0, 1), mask
