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
# # 4. A U-Net on a pretrained encoder
#
# In the last notebook every number of your U-Net began at random. Half of a U-Net, the way down, does what any
# network for images does: it looks for edges, then textures, then parts. Networks that were trained on a million
# photographs do that well already. In this notebook you put such a network in the place of the way down, and build
# only the way up.
#
# You will write three pieces: a step up that fits any encoder, the U-Net around it, and a function that freezes the
# encoder for good. Then you train the result, compare it with a U-Net from scratch, and measure where its speed comes
# from.

# %%
import copy
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

import medgraft as mg
from medgraft.evaluation import bootstrap_mean, paired_difference, segmentation_row
from medgraft.progress import Observer
from medgraft.workshop import check, hint, kept, solution, working
from medgraft.workshop.figures.encoder_pyramid import encoder_pyramid
from medgraft.workshop.figures.frozen_prefix import frozen_prefix
from medgraft.workshop.figures.outlines import outlines
from medgraft.workshop.figures.smart_up import smart_up
from medgraft.workshop.figures.training_curves import training_curves

WORK = Path("workshop-data")  # what the notebooks draw, train and keep; it can be deleted at any time
DATA = os.environ.get("MEDGRAFT_WORKSHOP_DATA")  # or the path of your own images: "/path/to/lesions"
SIZE, MOST = 64, 120  # pixels a side, and images at most: small, so that a laptop trains in seconds
_ = torch.manual_seed(0)

# %% [markdown]
# The images are read once, at working size, and kept in memory. The split is made by patient where patients are
# known. Drawn images look a little like dermoscopy. Figures measured on them say how methods behave, and nothing
# about skin.

# %%
if DATA and mg.open(DATA).task != "segmentation":
    print(f"{DATA} has labels and no masks; this notebook is about masks, and takes drawn images.")
    DATA = None
manifest = mg.open(DATA or mg.data.generate(WORK / "lesions", count=120, size=128))
if len(manifest) > MOST:
    manifest = replace(manifest, table=manifest.table.sample(MOST, random_state=0))
store = mg.data.PixelStore.open(manifest, size=SIZE, cache=WORK / "cache")
manifest = mg.data.assign_splits(manifest, store.foreground, ratios=(0.6, 0.15, 0.25), seed=0)
images = mg.data.scale(torch.from_numpy(np.array(store.images))).permute(0, 3, 1, 2)
masks = (torch.from_numpy(np.array(store.masks)) > 0).to(torch.uint8)
train, val, test = (torch.from_numpy(manifest.rows(split)) for split in mg.data.SPLITS)
print(f"{len(manifest)} images: {len(train)} train, {len(val)} val, {len(test)} test")

# %% [markdown]
# ## What an encoder gives
#
# A classifier ends with one answer for the whole image. On its way there it halves the image five times, and after
# each halving it holds a map: more channels, fewer places. These maps are the *pyramid*. Fine maps know where
# something is, coarse maps know what it is. A U-Net wants both.
#
# Medgraft's encoders return their pyramid from fine to coarse, and say how many channels each level has. The weights
# come from a package on your disk, with their licence; nothing is downloaded.

# %%
NAME = "tf_efficientnet_lite0"
weights = mg.models.find_weights(NAME)
encoder = mg.models.create_encoder(NAME, weights=weights).eval()
print(f"{NAME}: {weights.source}, {weights.licence}")
with torch.no_grad():
    for level, stride in zip(encoder.forward_pyramid(images[:1]), encoder.strides, strict=True):
        print(f"stride {stride:>2}: {tuple(level.shape)}")

# %%
encoder_pyramid(encoder.channels, SIZE)

# %% [markdown]
# ## A step up that fits any skip
#
# Your `Up` of notebook 3 could count on two things: that a skip is twice as large as the coarse map, and that it has
# half as many channels. Neither holds here. An encoder has the numbers of channels that its makers chose. And it
# rounds when it halves: of 13 rows it makes 7, and 7 doubled are 14.
#
# So the new step asks the skip. It enlarges the coarse map to the skip's own size, lays both side by side, and lets
# two convolutions mix them.

# %%
smart_up()

# %% [markdown]
# **Exercise.** Write a module `SmartUp(in_channels, skip_channels, out_channels)`. Its `forward(x, skip)` takes
#
# - `x`, a coarse map `[B, in_channels, h, w]`,
# - `skip`, a map `[B, skip_channels, H, W]` about twice as large, whatever its size exactly is,
#
# and returns `[B, out_channels, H, W]`: `x` enlarged to the skip's size, concatenated with the skip, and passed
# through two 3x3 convolutions, each with a norm and an activation. Where `skip_channels` is 0, `skip` is `None` and
# the result has the size `[2h, 2w]`.
#
# Example: `SmartUp(320, 112, 64)` maps `[2, 320, 4, 4]` and `[2, 112, 7, 8]` to `[2, 64, 7, 8]`.


# %% tags=["exercise"] exercise="smart-up"
class SmartUp(nn.Module):
    def __init__(self, in_channels, skip_channels, out_channels):
        super().__init__()
        raise NotImplementedError


# %% tags=["check"]
check("smart-up", SmartUp)
SmartUp = working("smart-up", SmartUp)

# %% [markdown]
# `check` tried your class on sizes and channels that you have not seen. Where it says "not yet", read what was given,
# what came back and what was expected, and try again: `hint("smart-up")` helps. Until yours is right, the notebook
# goes on with the workshop's own.
#
# ## The U-Net around the encoder
#
# Start with the coarsest map. Four steps with a skip lead to the strides 16, 8, 4 and 2. Then a convolution of 1x1
# makes a map a class, and one last enlarging brings it to the size of the image. That last step has no skip, as the
# encoder has nothing of that size.
#
# Two things go wrong most often. The pyramid runs from fine to coarse, and you need it the other way round. And
# layers in a plain Python list are unknown to PyTorch, so no optimiser trains them.
#
# **Exercise.** Write a module `EncoderUNet(encoder, classes)` that maps images `[B, 3, H, W]` to logits `[B, classes,
# H, W]`, for any `H` and `W` from 32.
#
# - `encoder.forward_pyramid(images)` returns five maps with strides 2, 4, 8, 16 and 32 (sizes rounded up),
# - `encoder.channels` are their numbers of channels in the same order.
#
# Return logits: no sigmoid and no softmax, as the losses do that step themselves. Use as many channels in the steps
# as you like; 64, 32, 16 and 16 are quick.
#
# Example: `EncoderUNet(encoder, 1)(torch.rand(2, 3, 65, 50))` has the shape `[2, 1, 65, 50]`.


# %% tags=["exercise"] exercise="encoder-unet"
class EncoderUNet(nn.Module):
    def __init__(self, encoder, classes):
        super().__init__()
        raise NotImplementedError


# %% tags=["check"]
check("encoder-unet", EncoderUNet)
EncoderUNet = working("encoder-unet", EncoderUNet)

# %% [markdown]
# ## Frozen means frozen
#
# The encoder knows much and you have few images. So at first it stays as it is, and the decoder alone learns:
# *feature extraction*. The usual line for this is `encoder.requires_grad_(False)`. Let us see what it leaves open.


# %%
def features_moved(freeze):
    """Freeze a copy, let a training look at some images, and say by how much (in percent) its features have moved."""
    tried = copy.deepcopy(encoder)
    tried = freeze(tried)
    with torch.no_grad():
        before = copy.deepcopy(encoder).eval().forward_pyramid(images[test[:4]])[-1]
        tried.train()  # as every epoch begins
        for rows in train[:64].split(16):
            tried.forward_pyramid(images[rows])
        tried.eval()
        after = tried.forward_pyramid(images[test[:4]])[-1]
    return 100 * float((after - before).norm() / before.norm())


print(f"requires_grad_(False) alone: features moved by {features_moved(lambda m: m.requires_grad_(False)):.1f}%")

# %% [markdown]
# No gradient was computed, and yet the same images give other features. BatchNorm layers keep a running mean and
# variance of what they see, and update both in every forward pass in training mode. `model.train()`, the first line
# of every epoch, puts them into that mode.
#
# **Exercise.** Write `freeze(module)`. From then on, whatever training does, `model.train()` included:
#
# - no gradient is computed for the module,
# - its weights and buffers stay the same, bit for bit,
# - the same images give the same features (so dropout is off).
#
# Change the module in place or return a frozen one.


# %% tags=["exercise"] exercise="freeze"
def freeze(module):
    raise NotImplementedError


# %% tags=["check"]
check("freeze", freeze)
freeze = working("freeze", freeze)

# %%
print(f"your freeze: features moved by {features_moved(lambda m: freeze(m) or m):.1f}%")

# %% [markdown]
# ## What never changes need not be computed twice
#
# A frozen encoder returns the same for the same image, in every epoch. So run it once, and keep what it returned.

# %%
frozen_prefix(len(encoder.blocks))


# %%
class Stored(nn.Module):
    """An encoder that has looked at all images once. Say which rows are wanted; it hands out what it kept."""

    def __init__(self, encoder, images):
        super().__init__()
        self.channels, self.strides, self.rows = encoder.channels, encoder.strides, None
        with torch.no_grad():
            parts = [encoder.forward_pyramid(part) for part in images.split(16)]
        self.levels = [torch.cat(level) for level in zip(*parts, strict=True)]

    def forward_pyramid(self, images):
        return [level[self.rows] for level in self.levels]


frozen = copy.deepcopy(encoder)
frozen = freeze(frozen) or frozen
start = time.perf_counter()
stored = Stored(frozen, images)
print(f"{len(images)} images through the encoder, once: {time.perf_counter() - start:.1f} s")

# %% [markdown]
# Now the training: cross-entropy and Dice together (`mg.losses.Combo`), AdamW, one cycle of the rate. It is the same
# for both models, so that only the models differ. After each epoch the validation Dice is taken, image by image.


# %%
def look(model, rows):
    stored.rows = rows
    return model(images[rows])


def dice_of(model, rows):
    """Predicted masks [N, H, W] and the Dice of each image [N]."""
    model.eval()
    with torch.no_grad():
        found = torch.cat([look(model, part)[:, 0] > 0 for part in rows.split(16)]).numpy().astype(np.uint8)
    pairs = zip(found, masks[rows].numpy(), strict=True)
    return found, np.array([segmentation_row(mask, truth, ["ground", "lesion"])["dice"] for mask, truth in pairs])


def fit(model, epochs, lr=4e-3):
    """Train, and return (seconds so far, validation Dice) for each epoch."""
    loss = mg.losses.Combo()
    learners = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learners, lr=lr)
    steps = epochs * len(train.split(16))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=lr, total_steps=steps)
    seconds, curve = 0.0, []
    for _ in range(epochs):
        model.train()
        start = time.perf_counter()
        for rows in train[torch.randperm(len(train))].split(16):
            optimiser.zero_grad()
            loss(look(model, rows), masks[rows]).backward()
            optimiser.step()
            schedule.step()
        seconds += time.perf_counter() - start
        curve.append((seconds, float(dice_of(model, val)[1].mean())))
    return curve


EPOCHS = 10
torch.manual_seed(0)
pretrained = EncoderUNet(stored, 1)
scratch = mg.models.UNet(widths=(16, 32, 64, 128))
curves = {"pretrained encoder, frozen": fit(pretrained, EPOCHS), "U-Net from scratch": fit(scratch, EPOCHS)}
training_curves(curves, "seconds of training", "validation Dice")

# %% [markdown]
# Both saw the same images as often. Look at two things: how high a curve gets, and how soon.
#
# ## Is it better? Pictures, then intervals
#
# The test images were not looked at so far. The true outline is solid, the predicted one dashed.

# %%
found = {"frozen": dice_of(pretrained, test), "scratch": dice_of(scratch, test)}
some = test[:5].numpy()
outlines(
    np.array(store.images)[some],
    masks.numpy()[some],
    {name: predicted[:5] for name, (predicted, _) in found.items()},
    {name: values[:5] for name, (_, values) in found.items()},
)

# %% [markdown]
# A mean over a few test images is partly luck: other images would give another one. The interval says how much. And
# as both models saw the same images, the fair question is asked image by image: how much better, on this very image?
# The interval of that difference is often narrower than the two single ones suggest.

# %%
groups = manifest.table["group"].to_numpy()[test.numpy()] if manifest.has_groups else None
for name, (_, values) in found.items():
    print(f"{name:>8}: Dice {bootstrap_mean(values, groups)}")
print(f"difference: {paired_difference(found['frozen'][1], found['scratch'][1], groups)}")

# %% [markdown]
# If the interval of the difference holds 0, these images do not tell which model is better. That is no proof that the
# two are equal. Read the last figure as well: a model can have the higher mean and yet be better on fewer than half of
# the images, if the other one fails badly on some.
#
# And one training of each is not enough. The start is a matter of luck, too: with the U-Net of your notebook 3,
# `mg.models.UNet(widths=(12, 24, 48))`, in the place of `scratch`, and the seeds 0, 1 and 2 in the cell above that
# trains, its Dice on these test images came to 0.81, 0.85 and 0.83 on the machine where this was written, and that of
# the frozen model to 0.85, 0.87 and 0.88. Notebook 6 takes several seeds.
#
# Do not wonder if the difference is small: in the drawn images a lesion is a darker spot, which a small U-Net learns
# from scratch in seconds. What the pretrained encoder gives here is time: see how much sooner its curve rises. On 388
# real lesions with masks, at the same size, the same encoder gained 0.055 in Dice over its own random start where all
# of it was trained (0.029 to 0.081; [Does transfer help?](../docs/explanation/does-transfer-help.md)).
#
# ## Where "five to ten times faster" comes from
#
# Such figures are often quoted, seldom explained. Measure it: one step with 16 images, in four ways. Each leaves out
# something that the one before it did; a U-Net from scratch stands beside them.


# %%
def milliseconds(work, times=3):
    work()  # the first call prepares
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start))
    return min(taken)


batch = train[:16]
files = manifest.table["image"].to_numpy()[batch.numpy()]


def decode():
    return [mg.data.resize_image(mg.data.read_image(file), SIZE) for file in files]


def step(model):
    model.train()

    def work():
        model.zero_grad()
        mg.losses.Combo()(look(model, batch), masks[batch]).backward()

    return work


learning = copy.deepcopy(encoder).requires_grad_(True)
whole = milliseconds(step(EncoderUNet(learning, 1)))
fixed = milliseconds(step(EncoderUNet(frozen, 1)))
looked_up = milliseconds(step(EncoderUNet(stored, 1)))
reading = milliseconds(decode)
plain = reading + whole
for name, ms in (
    ("files decoded, all learns", plain),
    ("images in memory, all learns", whole),
    ("encoder frozen", fixed),
    ("features kept", looked_up),
    ("for comparison: U-Net from scratch", milliseconds(step(scratch))),
):
    print(f"{name:<36}{ms:7.0f} ms a step, {plain / ms:4.1f} times as fast as the first")

# %% [markdown]
# The factor is not one thing. Decoding once, no backward pass through the encoder, no forward pass either: each has
# its part, and the parts multiply. It depends on the machine, on the size of images and on the encoder, so quote it
# with all three. What was kept cannot be augmented anew, either: with masks, Medgraft augments the images in every
# epoch, and runs the fixed blocks on the fastest engine at hand instead of storing them.
#
# All of this is one call, with splits, probe, best epoch, intervals and a report:

# %%
options = {"engine": "torch", "precision": "fp32", "memory_format": "channels_last"}  # nothing to measure first
options |= kept(WORK / "runs" / manifest.name / "frozen", strategy="frozen", size=SIZE, epochs=10, **options)
run = mg.fit(manifest, observer=Observer(), **options)
print(f"test Dice {run.scores.test['dice']}, report: {run.folder / 'report.html'}")

# %% [markdown]
# ## What you can say now
#
# - A U-Net can stand on any encoder that returns a pyramid, if each step up takes its size and channels from the
#   skip.
# - `requires_grad=False` stops gradients and nothing else; a frozen encoder is in eval mode as well, and stays there.
# - What does not change is computed once. That is where most of the speed comes from, and I have measured how much.
# - Two models are compared on the same images, by the interval of their difference.
#
# Read on: [Where the time goes](../docs/explanation/speed.md), [Train](../docs/how-to/train.md), [What a score
# says](../docs/explanation/scores.md).
