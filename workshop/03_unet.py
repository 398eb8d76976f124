# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. A U-Net from parts, and its loss
#
# To draw the outline of a lesion, a network has to answer for every pixel. That asks for two things at once: to see
# far, as whether a dark spot is lesion or hair depends on what lies around it, and to answer finely, as an outline is
# a matter of pixels. The U-Net (Ronneberger et al. 2015) does both. You build it here from four parts, from random
# weights.
#
# Then comes the loss. You will see why the usual one overlooks small lesions, and write the one that does not.

# %%
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import medgraft as mg
from medgraft.workshop import check, hint, solution, working
from medgraft.workshop.figures.dice_overlap import dice_overlap
from medgraft.workshop.figures.outlines import outlines
from medgraft.workshop.figures.pairs import show_pairs
from medgraft.workshop.figures.receptive_field import levels, receptive_field
from medgraft.workshop.figures.small_lesions import losses_on_small_lesions
from medgraft.workshop.figures.transposed_convolution import transposed_convolution
from medgraft.workshop.figures.unet_diagram import unet_diagram

WORK = Path("workshop-data")  # what the notebooks draw, train and keep; it can be deleted at any time
DATA = os.environ.get("MEDGRAFT_WORKSHOP_DATA")  # or the path of your own images: "/path/to/lesions"
SIZE = 64

if DATA and mg.open(DATA).task != "segmentation":
    print(f"{DATA} has labels and no masks; this notebook is about masks, and takes drawn images.")
    DATA = None
data = mg.open(DATA or mg.data.generate(WORK / "lesions", count=120, size=128))
rows = data.table.head(120)
pictures = np.stack([mg.data.resize_image(mg.data.read_image(path, 3), SIZE) for path in rows["image"]])
outlined = np.stack([mg.data.resize_mask(mg.data.read_mask(path), SIZE) > 0 for path in rows["target"]])
images = torch.from_numpy(pictures / np.float32(np.iinfo(pictures.dtype).max)).permute(0, 3, 1, 2).contiguous()
masks = torch.from_numpy(outlined).float()[:, None]
print(f"{data.name}: images {tuple(images.shape)}, masks {tuple(masks.shape)}, {masks.mean():.1%} lesion")

# %% [markdown]
# ## Exercise: DoubleConv
#
# The brick of a U-Net: a convolution of 3 x 3, BatchNorm, ReLU, and all three again. Two small convolutions see as
# much as one of 5 x 5, have fewer weights, and have a ReLU in between.
#
# **Write** a class `DoubleConv(in_channels, out_channels)`, an `nn.Module` that maps `[B, in, H, W]` to `[B, out, H,
# W]` by convolution 3 x 3, BatchNorm and ReLU, twice. Height and width stay as they are.
#
# For example, `DoubleConv(3, 16)(torch.rand(2, 3, 33, 40)).shape` is `[2, 16, 33, 40]`.


# %% tags=["exercise"] exercise="double-conv"
class DoubleConv(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        raise NotImplementedError


# %% tags=["check"]
check("double-conv", DoubleConv)
DoubleConv = working("double-conv", DoubleConv)

# %% [markdown]
# ## How far a pixel sees
#
# One line through a network, with the input at the bottom. Filled cells are what the value at the top has seen: its
# **receptive field**. The number on the right says how many input pixels a value of that row has seen.

# %%
receptive_field()

# %% [markdown]
# Each convolution adds two pixels. After a pooling, neighbours are two input pixels apart, so each convolution adds
# four; after the next, eight. Going down is how a network comes to see far without many layers. Here is how far the
# bottom of a U-Net with a given number of levels sees:

# %%
for depth in range(1, 6):
    double = [("conv 3", 3, 1)] * 2
    stack = double + ([("max pool 2", 2, 2), *double] * (depth - 1))
    print(f"{depth} levels: {levels(stack)[-1].field:3} pixels")

# %% [markdown]
# ## Exercise: Down
#
# A step down halves height and width. Max pooling keeps the strongest answer of each 2 x 2 window; it has nothing to
# learn. Then two convolutions look at what is left, usually with more channels, as there are fewer pixels.
#
# **Write** a class `Down(in_channels, out_channels)`, an `nn.Module` that maps `[B, in, H, W]` to `[B, out, H // 2, W
# // 2]` by max pooling 2 x 2 and then the two convolutions of `DoubleConv`.
#
# For example, `Down(16, 32)(torch.rand(1, 16, 33, 40)).shape` is `[1, 32, 16, 20]`.


# %% tags=["exercise"] exercise="down"
class Down(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        raise NotImplementedError


# %% tags=["check"]
check("down", Down)
Down = working("down", Down)

# %% [markdown]
# ## Going up: the transposed convolution
#
# On the way back every pixel has to become four. A transposed convolution does it with weights that learn: each input
# pixel stamps the kernel, times its own value, onto the output. With a kernel of 2 and a stride of 2 the stamps lie
# side by side.

# %%
transposed_convolution()

# %% [markdown]
# With a kernel of 3 and the same stride they overlap. Where stamps meet, values add up, and a constant input comes
# out in a pattern of squares. So kernel and stride are chosen to match.

# %%
transposed_convolution(np.ones((2, 2)), np.ones((3, 3)))

# %% [markdown]
# ## Exercise: Up
#
# A step up enlarges the coarse map and puts it beside the **skip**: what the way down held at this size. The coarse
# map knows *what*, the skip knows *where*. Two convolutions mix them.
#
# The trap is in odd sizes. A map of 7 rows is pooled to 3, and 3 grow to 6: a row is missing.
#
# **Write** a class `Up(in_channels, out_channels)`, an `nn.Module` called as `up(coarse, skip)`, with `coarse` `[B,
# in, h, w]` and `skip` `[B, out, H, W]`, where `in = 2 * out`, and `H` and `W` are `2h` and `2w` or one more. It
# enlarges `coarse` to the skip's size, concatenates the two (skip first), and gives `[B, out, H, W]` by `DoubleConv`.
#
# For example, `Up(32, 16)(torch.rand(1, 32, 3, 4), torch.rand(1, 16, 7, 8)).shape` is `[1, 16, 7, 8]`.


# %% tags=["exercise"] exercise="up"
class Up(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        raise NotImplementedError

    def forward(self, coarse, skip):
        raise NotImplementedError


# %% tags=["check"]
check("up", Up)
Up = working("up", Up)

# %% [markdown]
# ## Exercise: the whole U-Net
#
# Down the left side, keeping what each level holds; up the right side, taking these back, the last one first.

# %%
unet_diagram(widths=(16, 32, 64), side=64)

# %% [markdown]
# **Write** a class `UNet(in_channels, classes, widths)`, an `nn.Module` that maps images `[B, in, H, W]` to logits
# `[B, classes, H, W]`, for odd `H` and `W`, too. `widths` are the channels of each level from fine to coarse, such as
# `(16, 32, 64)`: two steps down and two up. The last layer is a convolution of 1 x 1 from `widths[0]` to `classes`.
#
# **Logits**, not probabilities: any number, above 0 for lesion. The losses do the sigmoid themselves, more exactly.
#
# For example, `UNet(3, 1, (8, 16))(torch.rand(2, 3, 33, 21)).shape` is `[2, 1, 33, 21]`.


# %% tags=["exercise"] exercise="unet"
class UNet(nn.Module):
    def __init__(self, in_channels, classes, widths):
        super().__init__()
        raise NotImplementedError

    def forward(self, x):
        raise NotImplementedError


# %% tags=["check"]
check("unet", UNet)
UNet = working("unet", UNet)

# %%
model = UNet(3, 1, (16, 32, 64))
same = mg.models.UNet(3, 1, (16, 32, 64))
print("out of an odd size:", tuple(model(torch.rand(1, 3, 65, 50)).shape))
for name, one in {"yours": model, "Medgraft's": same, "and with its usual widths": mg.models.UNet()}.items():
    print(f"{name:26} {sum(p.numel() for p in one.parameters()) / 1e6:6.2f} million parameters")

# %% [markdown]
# Tens of millions of parameters, all of them random, and 120 images: that is the situation from notebook 1 in which
# pretrained weights are worth most. Notebook 4 puts a pretrained encoder in the place of the left side.
#
# ## Dice: how much two masks share
#
# Twice the shared pixels, over the pixels of both: 1 where they agree, 0 where they have nothing in common.

# %%
dice_overlap()

# %% [markdown]
# The same shift costs a small lesion far more. That is wanted: of a small lesion, a larger part was missed.
#
# ## Why cross-entropy fails on small lesions
#
# Cross-entropy asks every pixel the same question and takes the mean. Where one pixel in a hundred is lesion,
# ninety-nine of a hundred votes are for *nothing here*.

# %%
losses_on_small_lesions()

# %% [markdown]
# On the left: what a model pays that says "nothing" everywhere. The smaller the lesion, the cheaper under
# cross-entropy; under Dice it is always about 1, the worst there is. On the right: how much of the gradient comes
# from the lesion's own pixels at the start. Under Dice it is half or more, whatever the size of the lesion.
#
# ## Exercise: Dice loss
#
# A loss has to have a gradient, so the masks of Dice are replaced by probabilities, and sums take the place of
# counts. A number `smooth` is added above and below, so that an empty mask is not 0 / 0.
#
# **Write** a class `DiceLoss(smooth=1.0)`, an `nn.Module` whose `forward(logits, target)` takes logits `[B, 1, H, W]`
# and masks of 0 and 1 of the same shape, and returns one number. For each image of the batch, with p the
# probabilities and t the mask:
#
# $$\text{Dice} = \frac{2 \sum p\,t + s}{\sum p + \sum t + s}$$
#
# The loss is 1 minus the mean of these over the images.
#
# For example, where all logits are 100 and all of the mask is 1, it is 0.


# %% tags=["exercise"] exercise="dice-loss"
class DiceLoss(nn.Module):
    def __init__(self, smooth=1.0):
        super().__init__()
        self.smooth = smooth

    def forward(self, logits, target):
        raise NotImplementedError


# %% tags=["check"]
check("dice-loss", DiceLoss)
DiceLoss = working("dice-loss", DiceLoss)

# %% [markdown]
# ### Masks that are empty
#
# A healthy image has an empty mask. What should a loss do there? Here the mask is empty, and the model sees a blob of
# some pixels. Beside each loss stands how strongly its gradient pushes the blob away (the sum over the blob's
# logits).


# %%
def loss_and_push(loss, blob, target):
    """The loss of a blob of so many pixels on 64 x 64, and the sum of the gradient by its logits."""
    logits = torch.full((1, 1, 64, 64), -8.0)
    logits.view(-1)[:blob] = 1.0
    logits.requires_grad_(True)
    value = loss(logits, target)
    value.backward()
    return f"{value.item():.3f} {logits.grad.view(-1)[:blob].sum().item():.5f}"


empty = torch.zeros(1, 1, 64, 64)
print(f"{'blob':>6}  {'yours':>15}  {'Medgraft':>15}")
for blob in (10, 100, 1000, 4000):
    yours = loss_and_push(DiceLoss(), blob, empty)
    theirs = loss_and_push(mg.losses.Dice(), blob, empty[:, 0].long())
    print(f"{blob:6}  {yours:>15}  {theirs:>15}")

# %% [markdown]
# The plain formula with `smooth` is right, and has a gradient, but the larger the blob, the weaker the push: the loss
# is near 1 for any blob and cannot get much worse. Medgraft's loss scores an empty mask by what is *not* lesion, so a
# blob of any size is pushed away. Where a mask is not empty, both are the same:

# %%
logits, target = torch.randn(4, 1, 32, 32), (torch.rand(4, 1, 32, 32) < 0.2).float()
print(f"yours {DiceLoss()(logits, target):.6f}, Medgraft {mg.losses.Dice()(logits, target[:, 0].long()):.6f}")

# %% [markdown]
# ## The two losses in doubt
#
# Where exactly does a small lesion end? Often the image does not say. Suppose that 200 readers outline the same spot,
# each a little beside the others. No model can do better than one answer for all of them, so leave the network out,
# and let a single map of logits learn from all outlines: by cross-entropy, by your Dice loss, and by both added.

# %%
down, across = np.mgrid[:24, :24]
middle = np.random.default_rng(0).normal(12, 2.5, (2, 200, 1, 1))
readers = torch.tensor((down - middle[0]) ** 2 + (across - middle[1]) ** 2 <= 2.5**2).float()[:, None]
print(f"a spot has {readers[0].sum():.0f} pixels; the pixel outlined most often, by {readers.mean(0).max():.0%}")


def learned_map(loss):
    """One map of logits [1, 1, 24, 24] for all readers, by gradient descent."""
    logits = torch.zeros(1, 1, 24, 24, requires_grad=True)
    optimiser = torch.optim.Adam([logits], 0.1)
    for _ in range(150):
        optimiser.zero_grad()
        loss(logits.expand_as(readers), readers).backward()
        optimiser.step()
    return logits.detach()


def dice_of(masks, truths):
    """Dice of each mask [B, 1, H, W] of 0 and 1 [B]."""
    shared = (masks * truths).sum(dim=(1, 2, 3))
    both = (masks + truths).sum(dim=(1, 2, 3))
    return torch.where(both > 0, 2 * shared / both.clamp(min=1), torch.ones_like(both))


# %%
entropy, dice = nn.BCEWithLogitsLoss(), DiceLoss()
losses = {
    "cross-entropy": entropy,
    "Dice": dice,
    "both added": lambda logits, target: entropy(logits, target) + dice(logits, target),
}
maps = {name: torch.sigmoid(learned_map(loss))[0] for name, loss in losses.items()}
scores = [dice_of((one > 0.5).float()[None], readers).mean() for one in maps.values()]
titles = [f"{name}:\nDice {score:.2f}" for name, score in zip(maps, scores, strict=True)]
shown = [readers.mean(0), *maps.values()]
show_pairs(shown, shown, ["how often\noutlined", *titles])

# %% [markdown]
# Bright is a high probability, and the line runs where it passes one half. Cross-entropy learned how often each pixel
# was outlined. That is the truth about every single pixel, it is nowhere above one half, and so the mask is empty. The
# Dice loss asks for overlap with whole outlines, and takes in a pixel as soon as that raises the overlap one can
# expect.
#
# Is the map of cross-entropy worthless? It was only cut at the wrong place:

# %%
for threshold in (0.5, 0.3, 0.2, 0.1):
    score = dice_of((maps["cross-entropy"] > threshold).float()[None], readers).mean()
    print(f"cross-entropy, cut at {threshold}: Dice {score:.2f}")

# %% [markdown]
# The best place to cut is about half of the score that can be reached (Lipton et al. 2014, for the F1 score, which
# is Dice). Notebook 7 chooses thresholds. And Dice has its price: it pushes probabilities to 0 and 1, so they say
# less of how sure the model is. So the sum of both is a good first choice, and the default of `mg.fit` is half of
# each (`combo`). Where images are plain and epochs many, all three end up alike: on your data, compare them.
#
# ## Your U-Net on the lesions
#
# From random weights, on few images, with both losses. The last images are held out.


# %%
def predicted(model, images):
    """Masks of 0 and 1 [B, 1, H, W]: the pixels with a probability above one half."""
    model.eval()
    with torch.no_grad():
        return (model(images) > 0).float()


def train(model, loss, images, masks, epochs, lr=3e-3):
    """Train in batches of 16."""
    optimiser = torch.optim.Adam(model.parameters(), lr)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(16):
            optimiser.zero_grad()
            loss(model(images[batch]), masks[batch]).backward()
            optimiser.step()


# %%
cut = len(images) * 3 // 4
torch.manual_seed(0)
model = UNet(3, 1, (12, 24, 48))
train(model, losses["both added"], images[:cut], masks[:cut], epochs=10)
found = predicted(model, images[cut:])
score = dice_of(found, masks[cut:]).numpy()
print(f"Dice of {len(score)} images held out: {score.mean():.3f} on average, {score.min():.3f} the worst")

# %%
found = found.numpy()[:, 0] > 0
places = np.argsort(score)[[0, len(score) // 4, len(score) // 2, 3 * len(score) // 4, -1]]
shown = (pictures[cut:] >> (8 * (pictures.dtype.itemsize - 1))).astype(np.uint8)
outlines(shown[places], outlined[cut:][places], {"your U-Net": found[places]}, {"your U-Net": score[places]})

# %% [markdown]
# From the worst to the best. Do not show the best alone: where a model fails says more about it. (These images chose
# nothing here, so the mean is honest. As soon as you tune by it, it no longer is: see notebook 2.)
#
# Notebook 4 puts a pretrained encoder and a U-Net from scratch side by side, and trains both anew. Do not hold its
# scores against this one: it has another split, fewer training images and another rate.
#
# ## What you can say now
#
# - Pooling and convolutions make a network see far; skips bring back where things are.
# - A transposed convolution stamps its kernel; kernel and stride should match.
# - Odd sizes lose a row on the way down, so the way up fits the map to its skip.
# - Cross-entropy counts pixels, so small lesions have little say. Dice counts overlap, image by image.
# - An empty mask needs a decision: what it costs to see something there, and whether a gradient says so.
#
# Read on: [What a score says](../docs/explanation/scores.md), [The recipe](../docs/reference/recipe.md) (`loss`),
# [Augmentation](../docs/how-to/augmentation.md).
