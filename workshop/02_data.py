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
# # 2. Data
#
# Most models that disappoint do so because of their data: a mask that belongs to another image, an augmentation that
# makes impossible patients, a test image that was in the training after all. None of this raises an error. The loss
# falls, and the score is wrong.
#
# Here you write what stands between files and a network: pairs, statistics, augmentation, splits and loaders. Each
# piece is a few lines, and each has its traps.

# %%
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import affine, rotate

import medgraft as mg
from medgraft.workshop import check, hint, quiz, solution, working
from medgraft.workshop.figures.anatomy import chest, what_anatomy_forbids
from medgraft.workshop.figures.pairs import show_pairs
from medgraft.workshop.figures.streaming_mean import streaming_mean

WORK = Path("workshop-data")  # what the notebooks draw, train and keep; it can be deleted at any time
DATA = os.environ.get("MEDGRAFT_WORKSHOP_DATA")  # or the path of your own images: "/path/to/lesions"
SIZE = 96

if DATA and mg.open(DATA).task != "segmentation":
    print(f"{DATA} has labels and no masks; this notebook is about pairs, and takes drawn images.")
    DATA = None
data = mg.open(DATA or mg.data.generate(WORK / "lesions", count=120, size=128))
print(f"{data.name}: {len(data)} images with masks")

# %% [markdown]
# Files come in many sizes and layouts. To have something small to work on, each pair is read once, brought to the
# same size and written under a common name. Look at the two `resize` functions: the image is averaged over areas, the
# mask takes the nearest pixel. A mask must not be averaged: there is no pixel that is 40% lesion.


# %%
def small_copy(data, folder, size, most=150):
    """Write images/NAME.png and masks/NAME.png of size x size pixels; masks hold 0 and 255."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for row in data.table.head(most).itertuples():
        name = row.id.replace("/", "-") + ".png"
        image = mg.data.resize_image(mg.data.read_image(row.image), size)
        mask = np.where(mg.data.read_mask(row.target) > 0, 255, 0).astype(np.uint8)
        image = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
        Image.fromarray(image).save(folder / "images" / name)
        Image.fromarray(mg.data.resize_mask(mask, size)).save(folder / "masks" / name)
    return folder


root = small_copy(data, WORK / f"{data.name}-{SIZE}-pixels", SIZE)
print(*sorted(path.name for path in (root / "images").iterdir())[:3], "...")

# %% [markdown]
# ## Exercise: a paired data set
#
# PyTorch asks two things of a data set: how long it is, and what its i-th item is. The traps are in the pairing. Two
# sorted lists of files need not match item by item: one file too many in a folder moves all that follow. And a mask
# that is missing is *not* an empty mask.
#
# **Write** a class `PairedDataset(root)`. `root` is a `pathlib.Path` that holds `images/NAME.png` (8 bits, colour or
# grey) and `masks/NAME.png` (0 and 255). There may be further masks.
#
# - `len(dataset)` is the number of images.
# - `dataset[i]` is `(image, mask)`, in the order of sorted names: float32 tensors `[3, H, W]` with values in 0 to 1,
#   and `[1, H, W]` of 0 and 1.
# - Sizes may differ from image to image. A grey image becomes one of three equal channels.
# - An image without a mask is an error that names the file, as soon as the data set is made.
#
# For example, `PairedDataset(root)[0][1].unique()` is `tensor([0., 1.])`.


# %% tags=["exercise"] exercise="dataset"
class PairedDataset(Dataset):
    def __init__(self, root):
        # the list of pairs, once
        raise NotImplementedError

    def __len__(self):
        raise NotImplementedError

    def __getitem__(self, index):
        raise NotImplementedError


# %% tags=["check"]
check("dataset", PairedDataset)
PairedDataset = working("dataset", PairedDataset)

# %%
dataset = PairedDataset(root)
image, mask = dataset[0]
print(len(dataset), "pairs;", tuple(image.shape), image.dtype, tuple(mask.shape), mask.unique().tolist())
show_pairs(*zip(*(dataset[i] for i in range(6)), strict=True))

# %% [markdown]
# Look at pictures like these whenever you have new data. No test finds a mask that lies beside its lesion as surely
# as your eye does.
#
# ## Exercise: mean and standard deviation
#
# Networks learn best where each channel has a mean near 0 and a standard deviation near 1. A pretrained encoder
# brings the numbers of *its* training images. A network from scratch needs those of yours: of all training pixels.
# They do not fit into memory all at once, so the sums have to grow image by image.

# %%
streaming_mean()

# %% [markdown]
# Three images of different size, and three sums. From these the mean and the standard deviation of *all* pixels
# follow, however the pixels are spread over images. Averages of averages do not give that.
#
# **Write** a function `mean_std(images) -> (mean, std)`. `images` is a generator, gone through once, of uint8 arrays
# `[H, W, C]` of different sizes. `mean` and `std` have one number for each channel, of all pixels scaled to 0 to 1.
# `std` divides by the number of pixels (not by one less). Hold one image at a time.
#
# For example, one image of a black and a white pixel in each of three channels has a mean of `[0.5, 0.5, 0.5]` and
# the same standard deviation.


# %% tags=["exercise"] exercise="mean-std"
def mean_std(images):
    # three sums that grow, image by image
    raise NotImplementedError


# %% tags=["check"]
check("mean-std", mean_std)
mean_std = working("mean-std", mean_std)


# %%
def pixels_of(folder):
    """One uint8 image [H, W, 3] after another."""
    for path in sorted(folder.iterdir()):
        yield np.asarray(Image.open(path).convert("RGB"))


mean, std = mean_std(pixels_of(root / "images"))
exact = mg.data.ChannelStatistics()
for pixels in pixels_of(root / "images"):
    exact.update(pixels)
print("yours   ", np.round(mean, 4), np.round(std, 4))
print("Medgraft", np.round(exact.mean, 4), np.round(exact.std, 4))

# %% [markdown]
# These were taken of *all* images, to try the function. For a training that would be wrong already: the test images
# would have had their say. Below, after the split, it is done again.
#
# ## What anatomy forbids
#
# Augmentation changes training images at random, so that the network sees more than there is. Each change says: *this
# is still an image of the same kind, with the same answer*. Whether that is true depends on the body, not on the
# network.

# %%
what_anatomy_forbids()

# %% [markdown]
# A skin lesion has no up and no left. A chest has both: mirrored, the heart lies on the wrong side, which is a rare
# condition (dextrocardia), and the letter that marks the side is wrong. Colours of skin vary with lamp and camera,
# while an X-ray has none. Medgraft keeps such rules as policies by modality
# ([Augmentation](../docs/how-to/augmentation.md)).
#
# ## Exercise: augmentation of chest X-rays
#
# **Write** a function `augment(image, rng) -> image`. `image` is a float32 tensor `[1, H, W]` in 0 to 1, a chest
# X-ray. `rng` is a `numpy.random.Generator`; draw from it alone, so that a training can be repeated. Return a *new*
# tensor of the same shape, type and range,
#
# - turned by at most 10 degrees, shifted by at most a tenth of the side, or zoomed by 0.9 to 1.1 (any of these),
# - in another brightness or contrast (a factor of 0.8 to 1.2),
# - never mirrored, and never upside down.
#
# For example, `augment(image, np.random.default_rng(0))` gives the same image each time it is called so, and
# `np.random.default_rng(1)` another one. `rotate` and `affine` are imported above.


# %% tags=["exercise"] exercise="augmentation"
def augment(image, rng):
    # rng.uniform(-10, 10) is an angle
    raise NotImplementedError


# %% tags=["check"]
check("augmentation", augment)
augment = working("augmentation", augment)

# %%
xray = torch.tensor(chest(96))[None]
rng = np.random.default_rng(0)
drawn = [xray, *(augment(xray, rng) for _ in range(5))]
show_pairs(drawn, [torch.zeros_like(xray)] * 6, ["as it is", *(f"draw {k}" for k in range(1, 6))])

# %% [markdown]
# ## Exercise: an image together with its mask
#
# In segmentation the mask has to go wherever the image goes: by the same angle, the same shift, the same flip. If
# each draws for itself, the network is taught that lesions lie beside themselves. And while the image is interpolated
# bilinearly, the mask takes the nearest pixel, so that it stays one of 0 and 1.
#
# **Write** a function `augment_pair(image, mask, rng) -> (image, mask)` for photographs of skin. `image` is a float32
# tensor `[3, H, W]` in 0 to 1, `mask` a float32 tensor `[1, H, W]` of 0 and 1, `rng` a `numpy.random.Generator`, from
# which alone it draws. Return new tensors of the same shapes and types,
#
# - both flipped, turned, shifted or zoomed alike (any of these; what comes in at the border is 0, or mirrored, in
#   both),
# - the image alone in another brightness or contrast,
# - the mask still of 0 and 1. A mask with no lesion stays empty.


# %% tags=["exercise"] exercise="paired-augmentation"
def augment_pair(image, mask, rng):
    # draw first, then do the same to both
    raise NotImplementedError


# %% tags=["check"]
check("paired-augmentation", augment_pair)
augment_pair = working("paired-augmentation", augment_pair)

# %%
rng = np.random.default_rng(0)
image, mask = dataset[0]
pairs = [(image, mask), *(augment_pair(image, mask, rng) for _ in range(4))]
astray = (rotate(image, 40, InterpolationMode.BILINEAR), rotate(mask, -70, InterpolationMode.NEAREST))
titles = ["as it is", *(f"draw {k}" for k in range(1, 5)), "WRONG: two draws"]
show_pairs(*zip(*pairs, astray, strict=True), titles)

# %% [markdown]
# The last picture is how it looks when image and mask draw for themselves. A network trained on such pairs still
# converges. It learns a blurred guess of where lesions tend to be.
#
# ## Leaks
#
# A test asks how the model does on patients it has never seen. If something of the test was in the training, the
# answer is about memory. Here is a leak to try out: 60 made-up patients with five images each. An "image" is twenty
# numbers that resemble those of the same patient. The labels are **drawn by lot**, so there is nothing to learn, and
# an honest accuracy is 50%. The model looks up the most similar training image and repeats its label.

# %%
rng = np.random.default_rng(0)
patient = np.repeat(np.arange(60), 5)
features = rng.normal(size=(60, 20))[patient] + 0.5 * rng.normal(size=(300, 20))


def accuracy(order):
    """Of the most similar training image's label, where the first 200 in this order train and the others test."""
    label = rng.integers(0, 2, 60)[patient]
    train, test = order[:200], order[200:]
    apart = np.square(features[test][:, None] - features[train][None]).sum(axis=2)
    return np.mean(label[train][apart.argmin(axis=1)] == label[test])


by_image = [accuracy(rng.permutation(300)) for _ in range(20)]
by_patient = [accuracy(np.concatenate([np.flatnonzero(patient == p) for p in rng.permutation(60)])) for _ in range(20)]
print(f"images dealt one by one: {np.mean(by_image):.0%} right, of labels that mean nothing")
print(f"whole patients:          {np.mean(by_patient):.0%}")

# %% [markdown]
# Nothing was wrong with the model or the code. Images of one patient were on both sides, and that was enough. (The
# second figure is not 50% to the point, as twenty trials with twenty test patients each are still a lottery. The leak
# is no matter of luck.) So:
#
# - **Split by patient** wherever a patient has more than one image. Notebook 5 has the exercise.
# - **Look for near-duplicates**, which are the same leak under another name: `medgraft inspect` lists them.
# - **Take statistics, thresholds and choices from training and validation images alone.** The test is read once.
#
# ## Exercise: splits and loaders
#
# Three splits: the network learns from `train`, you choose by `val`, and `test` is asked at the end. Each should be
# like the whole. A rare class that is missing from one of them cannot be learned, or cannot be tested. So split each
# class in the same shares: that is *stratified*.
#
# **Write** a function `make_loaders(dataset, labels, ratios, batch_size, seed) -> (train, val, test)`, three
# `DataLoader`s. `labels` is an integer array with the class of each item, `ratios` three shares that add up to 1.
#
# - Each item is in exactly one split, and each split has the classes in the shares of the whole.
# - The same seed gives the same splits, another seed others.
# - `train` alone is shuffled, anew in each epoch. `val` and `test` give every image once, in the same order each
#   time.
# - `num_workers` stays 0: images that are drawn or small need no processes of their own.
#
# For example, `make_loaders(dataset, labels, (0.7, 0.15, 0.15), 16, seed=0)`.


# %% tags=["exercise"] exercise="split-loaders"
def make_loaders(dataset, labels, ratios, batch_size, seed):
    # np.random.default_rng(seed) draws what goes where
    raise NotImplementedError


# %% tags=["check"]
check("split-loaders", make_loaders)
make_loaders = working("split-loaders", make_loaders)

# %% [markdown]
# Our images have no classes, but lesions differ in size, and small ones are harder. So the size is what we stratify
# by: small, middle and large.

# %%
shares = np.array([float(dataset[i][1].mean()) for i in range(len(dataset))])
sizes = np.digitize(shares, np.quantile(shares, [1 / 3, 2 / 3]))
train, val, test = make_loaders(dataset, sizes, (0.7, 0.15, 0.15), 16, seed=0)

for name, loader in {"train": train, "val": val, "test": test}.items():
    masks = torch.cat([masks for _, masks in loader])
    each = masks.mean(dim=(1, 2, 3)).numpy()
    print(f"{name:5} {len(masks):4} images, {len(loader):2} batches, lesion {each.mean():.1%} of the image on average")

# %% [markdown]
# And now the statistics that a network from scratch would be given: of the training images alone.


# %%
def pixels_in(loader):
    """One uint8 image [H, W, 3] after another, of a loader's images in 0 to 1."""
    for images, _ in loader:
        yield from (images.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)


mean, std = mean_std(pixels_in(train))
print("training images: mean", np.round(mean, 4), "std", np.round(std, 4))

# %% [markdown]
# ## What `fit` does of this
#
# You have written by hand what `mg.fit` does with a folder: it pairs by name and refuses what has no mask, keeps
# every image at the working size, augments image and mask by one map, splits by patient and by size of lesion, and
# takes statistics of the training images. It writes the split into the run, so that another run can use the same one.
# `medgraft inspect` looks for leaks before anything is trained.
#
# The quiz goes a little ahead in one question: BatchNorm has statistics of its own, and notebook 4 comes back to
# them.

# %% tags=["quiz"]
quiz("normalisation-and-leakage")

# %% [markdown]
# ## What you can say now
#
# - Images and masks are paired by name; a missing mask is an error and never an empty mask.
# - The mean and standard deviation of all pixels come from three sums. Means of means are something else.
# - An augmentation claims that an image stays possible. Anatomy decides, not the network.
# - Image and mask move by one draw; the mask takes the nearest pixel.
# - Images of one patient in two splits make even labels drawn by lot look predictable.
#
# Read on: [Bring your data](../docs/how-to/data.md), [Look at your data first](../docs/how-to/inspect.md),
# [Augmentation](../docs/how-to/augmentation.md).
