"""Augmentations of pairs that learners write."""

import cv2
import numpy as np
import torch
from torch.nn import functional as F
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms import functional as TF

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR


def _brighten(image, rng):
    return (image * float(rng.uniform(0.8, 1.2))).clamp(0, 1)


def of_flips_and_small_turns(image, mask, rng):
    for axis in (1, 2):
        if rng.random() < 0.5:
            image, mask = image.flip(axis), mask.flip(axis)
    angle = rng.uniform(-30, 30)
    return _brighten(TF.rotate(image, angle, BILINEAR), rng), TF.rotate(mask, angle, NEAREST)


def with_opencv(img, msk, gen):
    pixels, labels = img.permute(1, 2, 0).numpy(), msk[0].numpy()
    h, w = labels.shape
    matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), gen.uniform(0, 360), gen.uniform(0.8, 1.2))
    matrix[:, 2] += gen.uniform(-0.08, 0.08, 2) * (w, h)
    pixels = cv2.warpAffine(pixels, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    labels = cv2.warpAffine(labels, matrix, (w, h), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)
    pixels = (pixels - 0.5) * gen.uniform(0.8, 1.2) + 0.5 + gen.normal(0, 0.02, pixels.shape)
    pixels = np.clip(pixels, 0, 1).astype(np.float32)
    return torch.from_numpy(pixels.transpose(2, 0, 1)), torch.from_numpy(labels)[None]


def stacked(image, mask, rng):
    """Both as one tensor through one grid; the mask is decided afterwards."""
    angle = np.deg2rad(rng.uniform(-45, 45))
    theta = torch.tensor([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.05]])
    both = torch.cat([image, mask])[None]
    grid = F.affine_grid(theta[None].float(), both.shape, align_corners=False)
    moved = F.grid_sample(both, grid, align_corners=False)[0]
    return moved[:3].clamp(0, 1) ** rng.uniform(0.7, 1.4), (moved[3:] > 0.5).float()


def with_v2(image, mask, rng):
    """torchvision's own pair, seeded from the generator that is handed over."""
    torch.manual_seed(int(rng.integers(2**31)))
    both = v2.Compose([v2.RandomVerticalFlip(), v2.RandomAffine(180, translate=(0.1, 0.1), interpolation=BILINEAR)])
    image, mask = both(tv_tensors.Image(image), tv_tensors.Mask(mask))
    return v2.ColorJitter(0.2, 0.2)(image), mask


def zoomed_far(image, mask, rng):
    scale = rng.uniform(0.5, 1.5)
    move = {"angle": 0, "translate": [0, 0], "scale": scale, "shear": [0.0]}
    return _brighten(TF.affine(image, **move, interpolation=BILINEAR), rng), TF.affine(mask, **move)


def another_draw(image, mask, rng):
    return (
        _brighten(TF.rotate(image, rng.uniform(-20, 20), BILINEAR), rng),
        TF.rotate(mask, rng.uniform(-20, 20), NEAREST),
    )


def unchanged(image, mask, rng):
    return of_flips_and_small_turns(image, mask, rng)[0], mask.clone()


def bilinear(image, mask, rng):
    angle = rng.uniform(-30, 30)
    return _brighten(TF.rotate(image, angle, BILINEAR), rng), TF.rotate(mask, angle, BILINEAR)


def brighter_mask(image, mask, rng):
    image, mask = of_flips_and_small_turns(image, mask, rng)
    return image, _brighten(mask, rng)


def in_place(image, mask, rng):
    image.mul_(float(rng.uniform(0.8, 1.2))).clamp_(0, 1)
    return of_flips_and_small_turns(image, mask, rng)


def global_random(image, mask, rng):
    return of_flips_and_small_turns(image, mask, np.random)


def always_same(image, mask, rng):
    return of_flips_and_small_turns(image, mask, np.random.default_rng(0))


def only_moves(image, mask, rng):
    angle = rng.uniform(-30, 30)
    return TF.rotate(image, angle, BILINEAR), TF.rotate(mask, angle, NEAREST)


def only_brightens(image, mask, rng):
    return _brighten(image, rng), mask.clone()


def unclipped(image, mask, rng):
    image, mask = only_moves(image, mask, rng)
    return image * float(rng.uniform(0.8, 1.2)), mask


def of_bytes(image, mask, rng):
    image, mask = of_flips_and_small_turns(image, mask, rng)
    return image, mask.to(torch.uint8)


def turns_far_and_no_more(image, mask, rng):
    angle = rng.uniform(-180, 180)
    return TF.rotate(image, angle, BILINEAR), TF.rotate(mask, angle, NEAREST)


def flips_and_no_more(image, mask, rng):
    axes = [axis for axis in (1, 2) if rng.random() < 0.5]
    return image.flip(axes), mask.flip(axes)


def the_other_way(image, mask, rng):
    angle = rng.uniform(-30, 30)
    return _brighten(TF.rotate(image, angle, BILINEAR), rng), TF.rotate(mask, -angle, NEAREST)


def one_angle(image, mask, rng):
    angle = np.random.default_rng(3).uniform(5, 20)
    return _brighten(TF.rotate(image, angle, BILINEAR), rng), TF.rotate(mask, angle, NEAREST)


def own_maximum(image, mask, rng):
    image, mask = of_flips_and_small_turns(image, mask, rng)
    return image, mask / mask.max()


RIGHT = [of_flips_and_small_turns, with_opencv, stacked, with_v2, zoomed_far]
WRONG = {
    "another-draw": another_draw, "mask-unchanged": unchanged, "mask-bilinear": bilinear,
    "mask-intensity": brighter_mask, "in-place": in_place, "global-random": global_random, "always-same": always_same,
    "no-intensity": only_moves, "no-geometry": only_brightens, "range": unclipped, "dtype": of_bytes,
    "not-empty": own_maximum,
}  # fmt: skip
ALSO_WRONG = [
    ("no-intensity", turns_far_and_no_more), ("no-intensity", flips_and_no_more), ("another-draw", the_other_way),
    ("always-same", one_angle),
]  # fmt: skip
