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
# # 6. Does transfer help?
#
# So far transfer was taken for granted. Now you doubt it. A pretrained encoder may do well for three reasons: its
# architecture, the scale of its numbers, or the features in them. Only the last one is what people mean by transfer.
# In this notebook you tell the three apart, look into the blocks, and learn how sure one can be.

# %%
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

import medgraft as mg
from medgraft.progress import Observer
from medgraft.studies.published import read_published
from medgraft.transfer.distance import from_pretraining
from medgraft.transfer.initialise import Initialisation, initialise
from medgraft.transfer.reuse import block_outputs, pooled, similarity, vote
from medgraft.workshop import check, hint, kept, quiz, solution, working
from medgraft.workshop.drawn import drawn_labels
from medgraft.workshop.figures.distance_ruler import distance_ruler
from medgraft.workshop.figures.similarity_map import block_curves, similarity_map
from medgraft.workshop.figures.weight_histograms import weight_histograms

WORK = Path("workshop-data")  # what the notebooks draw, train and keep; it can be deleted at any time
DATA = os.environ.get("MEDGRAFT_WORKSHOP_DATA")  # or the path of your own images: "/path/to/xrays/labels.csv"
GROUP = os.environ.get("MEDGRAFT_WORKSHOP_GROUP")  # or the column of your CSV that names the patient: "patient_id"
SIZE, MOST = 64, 240
torch.manual_seed(0)

if DATA and mg.open(DATA).task != "classification":
    print(f"{DATA} has masks; this notebook is about labels, and takes drawn images.")
    DATA = None
manifest = mg.open(DATA, group=GROUP) if DATA else mg.open(drawn_labels(WORK / "hair"))
if len(manifest) > MOST:
    manifest = replace(manifest, table=manifest.table.sample(MOST, random_state=0))
manifest = mg.data.assign_splits(manifest, seed=0)
store = mg.data.PixelStore.open(manifest, size=SIZE, cache=WORK / "cache")
images = mg.data.scale(torch.from_numpy(np.array(store.images))).permute(0, 3, 1, 2)
labels = manifest.presence[:, -1].astype(int)
train, test = manifest.rows("train"), np.concatenate([manifest.rows("val"), manifest.rows("test")])
print(manifest.split_counts())

# %% [markdown]
# ## What two papers found
#
# **Transfusion** (Raghu et al. 2019) trained on retina images and chest X-rays with very many labels. Large ImageNet
# networks gained little over random ones, and small networks did about as well. Random numbers with the pretrained
# mean and variance already learned faster than usual random ones. With few labels pretraining gave more, to large
# networks above all.
#
# **Feature reuse** (Matsoukas et al. 2022) put three starts side by side:
#
# | start | the encoder begins with |
# |---|---|
# | **RI** | random weights, as the architecture draws them |
# | **ST** | random numbers with the mean and spread of each pretrained tensor: its scale, and nothing learned |
# | **WT** | the pretrained weights |
#
# So WT - RI is all that pretraining gives; ST - RI is the part of the scale; WT - ST is what was learned and is
# reused. They found that the weights give more where data are few and near to ImageNet, and more to vision
# transformers than to convolutions. As the distance of five medical sets from ImageNet they give an FID (Frechet
# distance between the features of two sets of images) of 141 (ISIC), 155 (DDSM), 160 (APTOS 2019), 181 (CheXpert) and
# 202 (PatchCamelyon). Their table of scores is not on file here; read it in the paper.
#
# Here are the numbers of Transfusion that Medgraft has on file, with where they were read. Look at how small
# the gains are with all images, and at what changes with 5,000.

# %%
rows = read_published().of(paper="raghu2019", data="retina")
numbers = pd.DataFrame(
    {"images": str(row.n or "all"), "model": row.model, "start": row.initialisation, "AUC": row.value} for row in rows
).pivot_table(index=["images", "model"], columns="start", values="AUC")
print(numbers.assign(gain=numbers["WT"] - numbers["RI"]).round(4))
print("\nRead in:", rows[0].source)

# %% [markdown]
# ## Three starts, seen
#
# This is the first convolution from the three starts, above in colour the filters with the largest numbers (grey is
# 0). ST and WT have nearly the same mean and spread. What they do not share is the arrangement: of the pretrained
# weights most are near 0 and a few large, and these lie side by side, as edges and spots of colour do. Random draws
# with the same spread know nothing of that.

# %%
NAME = "tf_efficientnet_lite0"
weights = mg.models.find_weights(NAME)


def start(kind):
    made = mg.models.create_feature_encoder(NAME, weights=weights)
    initialise(made, Initialisation.parse(kind), seed=0)
    return made.eval()


starts = {kind: start(kind) for kind in ("RI", "ST", "WT")}
first = {
    kind: next(m for m in encoder.modules() if isinstance(m, nn.Conv2d)).weight.detach().numpy()
    for kind, encoder in starts.items()
}
weight_histograms(first)

# %% [markdown]
# ## Your own study
#
# `mg.study` trains every start on the same images, with the same decoder, order and augmentation, and more than one
# seed: with another seed even the same start ends elsewhere. Here it is small, 48 training images and two seeds. The
# one rate is given, to save your time; a real study lets every start try the same rates, as random and pretrained
# weights seldom want the same one.

# %%
clock = time.perf_counter()
QUICK = {"size": SIZE, "engine": "torch", "precision": "fp32", "memory_format": "channels_last", "batch_size": 16}
options = kept(WORK / "runs" / manifest.name / "study", init=["RI", "ST", "WT"], n=min(48, len(train)), seeds=2,
               lr=1e-3, epochs=4, **QUICK)  # fmt: skip
study = mg.study(manifest, observer=Observer(), **options)
print(f"{len(study.cells)} trainings in {time.perf_counter() - clock:.0f} s; failed: {study.failed or 'none'}")
print(study.cells.pivot_table(index="seed", columns="init", values="test_auc").round(3))

# %%
mean = study.cells.groupby("init")["test_auc"].mean()
for what, one, other in (("all that pretraining gives", "WT", "RI"), ("scale", "ST", "RI"), ("reuse", "WT", "ST")):
    print(f"{one} - {other}: {mean[one] - mean[other]:+.3f}  ({what})")
test_images = study.run(study.cells["id"].iloc[0]).scores.test["auc"]
print(f"and one of these scores with its interval over {test_images.n} images: {test_images}")

# %% [markdown]
# Do not believe these differences yet. Two things are left to chance: the seed, and the test images. The interval
# shows the second alone. `study.report()` adds both up, corrects for many comparisons, and says which differences are
# told from noise. "Not told from noise" is not "no gain": an interval from -0.12 to +0.17 says that the study was too
# small.
#
# Mind the epochs, too: random weights may only need more of them. Look at the curves before you say that transfer is
# needed.
#
# ## What do the blocks know already?
#
# A question that needs no training: do images with the same label lie near each other in a block's output? Let the
# nearest training images vote on each held-out image, block by block, with cosine similarity and weights
# exp(similarity / 0.1).


# %%
@torch.no_grad()
def outputs(encoder, rows):
    """The pooled output of every block: a list of [rows, channels]."""
    parts = [[pooled(one).clone() for one in block_outputs(encoder, images[part])] for part in np.array_split(rows, 8)]
    return [torch.cat(block).numpy() for block in zip(*parts, strict=True)]


presence = manifest.presence[train]


def votes(encoder):
    pairs = zip(outputs(encoder, train), outputs(encoder, test), strict=True)
    return [roc_auc_score(labels[test], vote(known, presence, asked)[:, -1]) for known, asked in pairs]


names = list(starts["WT"].block_names)
block_curves({kind: votes(starts[kind]) for kind in ("WT", "RI")}, names, "AUC of the neighbours' vote", 0.5)

# %% [markdown]
# Where random weights do as well as pretrained ones, the block knows nothing about this task that a random filter
# does not: brightness and coarse colour pass through anything. (The random encoder's BatchNorm layers have seen no
# image, so its deep blocks are at a disadvantage; `medgraft rank` estimates their statistics first.)
#
# ## Did training change the features? CKA
#
# Two layers may have other numbers and still see the same: the same images as alike, the same as unlike. Centred
# kernel alignment (Kornblith et al. 2019) compares just that. It is 1 if one table of features is the other one
# turned, moved or scaled, and near 0 if they have nothing in common.
#
# With `x` and `y` centred, feature by feature, over the images:
#
# $$\mathrm{CKA}(x, y) = \frac{\lVert y^\top x \rVert_F^2}{\lVert x^\top x \rVert_F \, \lVert y^\top y \rVert_F}$$
#
# where $\lVert \cdot \rVert_F$ is the root of the sum of all squared entries.
#
# **Exercise.** Write `cka(x, y)` for two NumPy arrays of activations, `[n, p]` and `[n, q]`, of the same `n` images in
# the same order. Return one number.
#
# Example: `cka(x, 3 * x + 5)` is 1.


# %% tags=["exercise"] exercise="linear-cka"
def cka(x, y):
    raise NotImplementedError


# %% tags=["check"]
check("linear-cka", cka)
cka = working("linear-cka", cka)

# %% [markdown]
# Now look at a network of your study, before and after its training. The plain formula is too high where images are
# few and features many: even random features seem alike. So Medgraft uses an unbiased estimate, summed over batches.
# See the difference first:

# %%
rng = np.random.default_rng(0)
print("unrelated random features of 30 images, by their number:")
for width in (3, 30, 300):
    print(f"  {width:>3} features: your CKA {cka(rng.normal(size=(30, width)), rng.normal(size=(30, width))):.2f}")

# %%
cell = study.cells.query("init == 'WT'")["id"].iloc[0]
trained = study.run(cell).label_predictor.model.encoder
batches = [(part.tolist(), images[part]) for part in np.array_split(test, max(1, len(test) // 24))]
alike = similarity({"before": starts["WT"], "after": trained}, batches).between("before", "after")
similarity_map(alike, names)

# %% [markdown]
# Read the diagonal: a block near 1 gives much the same features as before the training. A low value says that features
# changed. It does not say that they had to. For that one puts a block back to what it was and sees what the score
# loses. If it surely loses nothing that matters, and the features stayed alike, the block was *reused*; if it clearly
# loses, *relearned*; if the interval leaves that open, it is *undecided*. A block whose weights can even be drawn anew
# at no loss *hardly matters*. `medgraft reuse RUN` does all this ([the
# rule](../docs/explanation/feature-reuse.md#the-rule)).
#
# ## How far away are your images?
#
# Matsoukas et al. found the gain to shrink with the distance from the pretraining images. You have none of those, and
# need none: BatchNorm layers keep the mean and variance of what they saw in pretraining. The same two numbers of your
# images are compared with them, at every depth. 0 says that they are the same.

# %%
groups = manifest.table["group"].to_numpy()[train] if manifest.has_groups else None
shown = [np.array(store.images)[part] for part in np.array_split(train, 8)]
looked = from_pretraining(starts["WT"], shown, groups=groups)
print(f"distance {looked.value:.2f} ({looked.low:.2f} to {looked.high:.2f}): early blocks {looked.early:.2f}, "
      f"late blocks {looked.late:.2f}")  # fmt: skip
distance_ruler({f"these images, at {SIZE} px": looked.value})

# %% [markdown]
# Up to the first dotted line Medgraft says *near*, beyond the second *far*; the lines were drawn by looking at such
# marks, and no law stands behind them. The other marks were measured at 224 pixels, and small images look strange to
# an encoder; so compare at 224 when it matters (`medgraft distance DATA`). The distance looks at no label: images can
# be far while the features still tell the classes apart.

# %% tags=["quiz"]
quiz("choosing-a-source")

# %% tags=["quiz"]
quiz("reading-the-evidence")

# %% [markdown]
# ## What you can say now
#
# - "Transfer helps" is a claim with a baseline: the same network from random weights, and from statistics alone.
# - WT - ST is what was learned and reused; ST - RI is only the scale of the numbers.
# - The gain is largest with few labels and near images. With very many labels two large studies found little.
# - CKA and neighbours look into the blocks. They are evidence beside a score, not a verdict.
# - Seeds and test images are both left to chance; a small study may say nothing, and should say so.
#
# Read on: [Does transfer help?](../docs/explanation/does-transfer-help.md), [What feature reuse
# is](../docs/explanation/feature-reuse.md), [How far images are](../docs/explanation/domain-distance.md), [Find out
# whether transfer helps](../docs/how-to/study.md), [Repeat the papers' tables](../docs/how-to/papers.md).
