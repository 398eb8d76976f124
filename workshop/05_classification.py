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
# # 5. Classification: how much should learn?
#
# A mask says something of every pixel. A label says one thing of a whole image, so labels teach far less, and it
# matters more what a model knows beforehand. In this notebook you split by patient, train the same encoder by three
# strategies, give each of its blocks a rate of its own, feed it grey images, look at rare classes, and in the end
# hold a rule of thumb against what is measured on your data.

# %%
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import medgraft as mg
from medgraft.pipeline.compare import comparison_table
from medgraft.progress import Observer
from medgraft.workshop import check, hint, kept, quiz, solution, working
from medgraft.workshop.drawn import drawn_labels
from medgraft.workshop.figures.decision_table import decision_table
from medgraft.workshop.figures.learning_rates import block_rates, flattened, schedules
from medgraft.workshop.figures.outlines import gallery

WORK = Path("workshop-data")  # what the notebooks draw, train and keep; it can be deleted at any time
DATA = os.environ.get("MEDGRAFT_WORKSHOP_DATA")  # or the path of your own images: "/path/to/xrays/labels.csv"
GROUP = os.environ.get("MEDGRAFT_WORKSHOP_GROUP")  # or the column of your CSV that names the patient: "patient_id"
SIZE, MOST = 64, 240  # pixels a side, and images at most
_ = torch.manual_seed(0)

# %% [markdown]
# The drawn set asks a question of quality control in dermoscopy: does hair lie over the lesion? Each made-up patient
# has two photographs of one lesion.

# %%
if DATA and mg.open(DATA).task != "classification":
    print(f"{DATA} has masks; this notebook is about labels, and takes drawn images.")
    DATA = None
manifest = mg.open(DATA, group=GROUP) if DATA else mg.open(drawn_labels(WORK / "hair"))
if len(manifest) > MOST:
    manifest = replace(manifest, table=manifest.table.sample(MOST, random_state=0))
store = mg.data.PixelStore.open(manifest, size=SIZE, cache=WORK / "cache")
images = mg.data.scale(torch.from_numpy(np.array(store.images))).permute(0, 3, 1, 2)
labels = manifest.presence[:, -1].astype(int)  # 1 where an image has the last class
patients = manifest.table["group" if manifest.has_groups else "id"].to_numpy(str)
print(f"{len(manifest)} images of {len(set(patients))} patients, {labels.mean():.0%} {manifest.classes.names[-1]}")
gallery(np.array(store.images)[:6].squeeze(), manifest.table["target"][:6].tolist())

# %% [markdown]
# For what follows, each image goes once through a frozen encoder, which leaves one row of features an image.

# %%
NAME = "tf_efficientnet_lite0"
weights = mg.models.find_weights(NAME)
encoder = mg.models.create_feature_encoder(NAME, weights=weights).eval()
with torch.no_grad():
    features = torch.cat([encoder(part) for part in images.split(16)]).numpy()
print("features:", features.shape)

# %% [markdown]
# ## Before anything: a split by patient
#
# Two photographs of one patient are alike. If one is in training and the other in test, a model may recognise the
# patient and recall the label. Yagis et al. (2021) gave brain scans *random* labels: with slices divided at random
# the accuracy on test was about 96%, divided by person 50%, as it has to be.
#
# **Exercise.** Write `group_split(patients, labels, ratios, seed)`.
#
# - `patients`: an array of names `[n]`, one an image,
# - `labels`: an array of 0 and 1 `[n]`; all images of a patient have the same,
# - `ratios`: three shares that add up to 1, such as `(0.7, 0.15, 0.15)`,
# - `seed`: an integer; the same seed gives the same split, another one another.
#
# Return three arrays of row numbers: train, val, test. Each image is in exactly one, no patient is in two, and each
# part has its share of positives: divide the patients of each label apart.
#
# Example: with `patients = ["a", "a", "b", "c"]`, the rows 0 and 1 always end up in the same part.


# %% tags=["exercise"] exercise="group-split"
def group_split(patients, labels, ratios, seed):
    raise NotImplementedError


# %% tags=["check"]
check("group-split", group_split)
group_split = working("group-split", group_split)

# %% [markdown]
# Now repeat the experiment with random labels: a coin is thrown for each patient, and an image of the test part gets
# the label of its nearest neighbour in training. There is nothing to learn here. Anything clearly above one half is a
# leak; a few points more or less are chance, with so few patients.

# %%
coin = np.random.default_rng(0).integers(0, 2, len(patients))
coin = coin[np.unique(patients, return_inverse=True)[1]]
unit = features / np.linalg.norm(features, axis=1, keepdims=True)


def nearest_accuracy(known, asked):
    nearest = (unit[asked] @ unit[known].T).argmax(axis=1)
    return (coin[known][nearest] == coin[asked]).mean()


leaky, fair = [], []
for seed in range(20):
    order = np.random.default_rng(seed).permutation(len(patients))
    leaky.append(nearest_accuracy(order[: int(0.6 * len(order))], order[int(0.7 * len(order)) :]))
    known, _, asked = group_split(patients, coin, (0.6, 0.1, 0.3), seed)
    fair.append(nearest_accuracy(known, asked))
print(f"random labels, split by image: {np.mean(leaky):.0%} right; by patient: {np.mean(fair):.0%}")

# %% [markdown]
# ## Three strategies
#
# | strategy | what learns |
# |---|---|
# | `frozen` | the head alone, on stored features: a logistic regression, solved at once |
# | `partial` | the head and the last blocks of the encoder |
# | `full` | everything, the encoder at lower rates |
#
# More that learns can fit these images better, and can also forget more of what the encoder knew. Two further
# strategies guard against that. `lp_ft` solves the head first, and lets everything learn from there: a head that
# begins at random pushes the encoder about while it learns (Kumar et al. 2022). `gradual` begins with the head alone,
# and every few epochs one block more joins, the deepest first ([Train](../docs/how-to/train.md#strategies)).
#
# Here are the three of the table. All get the same split; the epochs are few, so that you need not wait. The score is
# the **AUC**: how often a positive image (with hair) scores above a negative one. 1 is a perfect order, 0.5 a coin.
# (`kept` opens a run that was finished with just these options; then it takes no time.)

# %%
QUICK = {"size": SIZE, "engine": "torch", "precision": "fp32", "memory_format": "channels_last", "batch_size": 16}
RUNS, runs = WORK / "runs" / manifest.name, {}
for strategy, more in (("frozen", {}), ("partial", {"epochs": 6, "views": 2}), ("full", {"epochs": 4})):
    start = time.perf_counter()
    options = kept(RUNS / strategy, strategy=strategy, **more, **QUICK)
    runs[strategy] = mg.fit(manifest, observer=Observer(), **options)
    print(f"{strategy:<8} {time.perf_counter() - start:5.1f} s, test AUC {runs[strategy].scores.test['auc']}")

# %%
_, plain, page = mg.compare([run.folder for run in runs.values()], WORK / "strategies.html")
print(comparison_table(plain))

# %% [markdown]
# Read the intervals before the numbers. (DeLong's test gives p for the difference of two AUCs on the same images.) With
# a few dozen test images most differences are not told from noise; then the cheapest strategy is the one to take, until
# more images say otherwise. Medgraft's rule is the same: the best, unless a cheaper one is as good as far as these
# images can tell.
#
# ## A rate for each block
#
# When the encoder learns, its blocks should not all move alike. The first ones hold edges and textures, which serve
# any image; the last ones hold what photographs needed. So rates fall from the head towards the input: *layer-wise*
# (or discriminative) rates. And over time all of them rise a little, then fall.

# %%
schedules()

# %%
blocks = len(encoder.blocks)
shown = {
    "full, decay 0.8": mg.Strategy.full(lr=1e-3, encoder_lr=1e-4),
    "full, decay 0.5": mg.Strategy.full(lr=1e-3, encoder_lr=1e-4, decay=0.5),
    "partial, last 2": mg.Strategy.partial(2, lr=1e-3, encoder_lr=1e-4),
}
block_rates({name: [*strategy.rates(blocks, 0), strategy.lr] for name, strategy in shown.items()})

# %% [markdown]
# **Exercise.** Write `make_optimiser(model, lr, decay, steps)`. It returns an optimiser and its schedule. At their
# highest,
#
# - the parameters of `model.head` have the rate `lr`,
# - those of the last of `model.encoder.blocks` have `lr * decay`, of the one before it `lr * decay**2`, and so on to
#   the input,
# - every parameter is in exactly one group.
#
# `schedule.step()` is called after each of the `steps` steps; at the last of them every rate is at most a tenth of
# its highest. At every step the rates keep their ratio, whatever the schedule does.
#
# Example: with `lr=0.01`, `decay=0.5` and two blocks the rates are 0.01 (head), 0.005 (last block) and 0.0025
# (first).


# %% tags=["exercise"] exercise="layer-wise-rates"
def make_optimiser(model, lr, decay, steps):
    raise NotImplementedError


# %% tags=["check"]
check("layer-wise-rates", make_optimiser)
make_optimiser = working("layer-wise-rates", make_optimiser)

# %% [markdown]
# The trap is the schedule. `OneCycleLR` with a single `max_lr` sets one peak for all groups, and the careful rates
# are gone, with no error. Compare what each does to the groups of a real model (a line for each group; on the left
# they lie on one another):


# %%
def rates_over_time(optimiser, schedule, steps):
    found = []
    for step in range(steps):
        if step:
            schedule.step()
        found.append([group["lr"] for group in optimiser.param_groups if group["params"]])
        optimiser.step()
    return found


classifier = mg.models.Classifier(mg.models.create_feature_encoder(NAME, weights=weights), classes=1)
own = rates_over_time(*make_optimiser(classifier, 1e-3, 0.7, 60), 60)
optimiser, _ = make_optimiser(classifier, 1e-3, 0.7, 60)
single = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, 60, cycle_momentum=False)
one_peak = rates_over_time(optimiser, single, 60)
flattened(np.max(own, axis=0), one_peak, own)

# %% tags=["quiz"]
quiz("rates-and-unfreezing")

# %% [markdown]
# ## Grey images
#
# X-rays have one channel, the pretrained first convolution wants three. One can copy the grey image three times. But
# a convolution only adds up what its channels give, and three equal channels can be added up beforehand: in the
# weights.
#
# **Exercise.** Write `grey(conv)`. It takes an `nn.Conv2d` with 3 input channels and returns one with 1 input channel.
# For images `[B, 1, H, W]` the new one gives exactly what `conv` gives for the same images copied into three
# channels. Keep kernel size, stride, padding, dilation and bias; the new weights can learn.
#
# Example: a `conv` with weights `[32, 3, 3, 3]` becomes one with weights `[32, 1, 3, 3]`.


# %% tags=["exercise"] exercise="grey-input"
def grey(conv):
    raise NotImplementedError


# %% tags=["check"]
check("grey-input", grey)
grey = working("grey-input", grey)

# %%
first = next(module for module in encoder.modules() if isinstance(module, nn.Conv2d))
colour = nn.Conv2d(3, first.out_channels, first.kernel_size, first.stride, padding=1, bias=False)
colour.weight = nn.Parameter(first.weight.detach().clone())
single = images[:8].mean(dim=1, keepdim=True)
with torch.no_grad():
    wanted = colour(single.repeat(1, 3, 1, 1))
    print(f"largest difference: {float((grey(colour)(single) - wanted).abs().max()):.1e}")
    grey_encoder = mg.models.create_feature_encoder(NAME, in_channels=1, weights=weights).eval()
    apart = (grey_encoder(single) - encoder(single.repeat(1, 3, 1, 1))).abs().max()
    print(f"Medgraft's encoder with in_channels=1, its features against three copies: {float(apart):.1e}")

# %% [markdown]
# ## Rare classes
#
# Take away most of the positives, as in screening. A model that calls everything negative is then right most of the
# time, so accuracy praises it. Balanced accuracy does not: it is the mean of two shares, of the positives that are
# called positive and of the negatives that are called negative. Weights in the loss make every class count the same.

# %%
rng = np.random.default_rng(1)
sick = np.unique(patients[labels == 1])
chosen = np.isin(patients, rng.choice(sick, max(8, len(sick) // 5), replace=False)) | (labels == 0)
rows = np.flatnonzero(chosen)
parts = group_split(patients[rows], labels[rows], (0.5, 0.25, 0.25), 0)
known, asked = rows[parts[0]], rows[np.concatenate(parts[1:])]
print(f"{labels[asked].mean():.0%} positive. Always negative: accuracy {1 - labels[asked].mean():.2f}")
for name, balance in (("plain", None), ("class weights", "balanced")):
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight=balance, max_iter=1000))
    head.fit(features[known], labels[known])
    p = head.predict_proba(features[asked])[:, 1]
    said, auc = p >= 0.5, roc_auc_score(labels[asked], p)
    right, balanced = accuracy_score(labels[asked], said), balanced_accuracy_score(labels[asked], said)
    print(f"{name:<14} accuracy {right:.2f}, balanced accuracy {balanced:.2f}, AUC {auc:.2f}")

# %% [markdown]
# Look at which figures moved. AUC knows only the order of the images, and weights change it little. What they move is
# the probability, and with it every decision at 0.5. Such probabilities are those of a world in which all classes are
# equally frequent; in notebook 7 you choose the threshold instead. In Medgraft it is `imbalance="class_weights"`.
#
# ## A table, and a measurement
#
# Which strategy to begin with? This is the table that `medgraft advise` starts from. Count patients, not images.

# %%
decision_table()

# %% [markdown]
# Before you run the next cell, write down what the table says for your data. Then let `advise` measure: the distance
# of your images from the pretraining (notebook 6), what a linear probe reads from the features (a linear head on the
# fixed encoder), and what the same encoder with random weights lacks in it. It measures on training images alone.

# %%
advice = mg.advise(manifest, observer=Observer(), **QUICK)
print(advice.headline)
for reason in advice.reasons[:6]:
    print("-", reason.sentence, f"({reason.source})")
for change in advice.changes[:3]:
    print("It would change:", change)

# %% [markdown]
# Is it right? Hold it against your three runs above. On four real data sets, at 128 pixels with one split and one
# seed, the advised strategy was the best of five once, and lost 0.011 to 0.059 in Dice or AUC on the others
# ([Ask for advice](../docs/how-to/advise.md)). A rule is where to begin; a comparison decides.

# %% tags=["quiz"]
quiz("extract-or-tune")

# %% [markdown]
# ## What you can say now
#
# - A split is made by patient before anything else; a model can score well on random labels if it is not.
# - Feature extraction, partial and full fine-tuning differ in what learns. Intervals say whether the difference is
#   real.
# - Layer-wise rates protect what is general, if the schedule keeps them apart.
# - Grey images need no copies, only the sum of the first weights. Rare classes need other scores than accuracy.
# - A table says where to begin, `advise` measures, `compare` decides.
#
# Read on: [Classify](../docs/how-to/classify.md), [Ask for advice](../docs/how-to/advise.md),
# [Train](../docs/how-to/train.md).
