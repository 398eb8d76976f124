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
# # 1. What transfer learning is, and a first model
#
# A network that has learned to tell a thousand kinds of photographs apart has learned to see edges, textures and
# shapes on the way. Transfer learning begins with that network instead of with random numbers. You keep what it knows
# (the **encoder**), put something new behind it (a **head** that names a class, or a **decoder** that draws a mask),
# and train only as much as your data can bear.
#
# In this notebook you train such a model on a few dozen images in seconds, and see when that is a good idea.

# %%
import os
from dataclasses import replace
from pathlib import Path

import medgraft as mg
from medgraft.workshop import kept, quiz
from medgraft.workshop.figures.few_labels import few_labels
from medgraft.workshop.figures.outlines import gallery, outlines
from medgraft.workshop.figures.time_spent import where_time_goes

WORK = Path("workshop-data")  # what the notebooks draw, train and keep; it can be deleted at any time
DATA = os.environ.get("MEDGRAFT_WORKSHOP_DATA")  # or the path of your own images: "/path/to/lesions"
MOST = 150  # images at most: few enough that a laptop trains in seconds

if not DATA:
    DATA = mg.data.generate(WORK / "lesions", count=120, size=128)
data = mg.open(DATA)
if len(data) > MOST:
    data = replace(data, table=data.table.sample(MOST, random_state=0))
print(f"{data.name}: {len(data)} images for {data.task}", *data.notes, sep="\n")

# %% [markdown]
# Unless you named your own, these images were drawn by a program in the manner of dermoscopy: skin of several tones,
# a lesion, hair, bubbles, ink. They are **not patients**, and scores on them are not evidence of anything. What they
# share with real images is what matters here: little of them, and a task that a threshold on darkness cannot solve.

# %%
rows = data.table.head(6)
small = [mg.data.resize_image(mg.data.read_image(path), 128) for path in rows["image"]]
gallery(small, list(rows["id"]))

# %% [markdown]
# ## A frozen model in five lines
#
# **Frozen** means that the encoder stays exactly as it came. Only the decoder learns. It is the first thing to try:
# it is fast, and there is little that can go wrong with few images. All of it:
#
# ```python
# import medgraft as mg
# data = mg.open("lesions/")
# run = mg.fit(data, strategy="frozen", size=64, epochs=8)
# print(run.scores.test["dice"])
# mask = run.predict("new.jpg").mask
# ```
#
# The cell below does just that. `kept` adds a folder for the run, one for each choice of options: run the notebook
# again, and a finished run is opened; change an option, and it is trained anew.

# %%
RUNS = WORK / "runs" / data.name
run = mg.fit(data, **kept(RUNS / "frozen", strategy="frozen", size=64, epochs=8))

for metric in ("dice", "auc"):
    if metric in run.scores.test:
        print("test", metric, run.scores.test[metric])

# %% [markdown]
# The number in front is the mean over test images, which took no part in the training. The two in brackets are the
# ends of a 95% interval: with other test images of the same kind, the mean would lie about there. `n` says how many
# images stand behind it. With so few, the interval is wide, and that is the honest answer.
#
# The first lines said what was understood of the data. Look at them whenever you bring data of your own.

# %%
shown = run.predictions.query("split == 'test'").head(5)
paths = data.table.set_index("id").loc[shown["id"]]
images = [mg.data.resize_image(mg.data.read_image(path), 128) for path in paths["image"]]
predicted = run.predict(list(paths["image"]))


def answers():
    """The images with their true and predicted outlines, or with their labels."""
    if data.task == "classification":
        titles = [f"{one.label}\n({truth})" for one, truth in zip(predicted, paths["target"], strict=True)]
        return gallery(images, titles)
    truths = [mg.data.resize_mask(mg.data.read_mask(path), 128) > 0 for path in paths["target"]]
    found = [mg.data.resize_mask(one.classes, 128) > 0 for one in predicted]
    return outlines(images, truths, {"frozen": found}, {"frozen": shown["dice"].to_numpy()})


answers()

# %% [markdown]
# The solid line is the truth, the dashed one the model's answer, the number its Dice: 1 where both agree, 0 where
# they have nothing in common. Notebook 3 works it out by hand.
#
# How much of the model learned?

# %%
info = run.model_info
print(f"{info['trainable'] / 1e6:.1f} of {info['parameters'] / 1e6:.1f} million parameters learned")
print(f"encoder: {info['spec']['encoder']}, weights: {info['weights']['source']} ({info['weights']['licence']})")

# %% [markdown]
# ## When it pays
#
# **Few labels.** A model with millions of free parameters can learn a few dozen images by heart: it *overfits*. Fixed
# features leave less to choose. Here is the idea with one number in and one out, where all can be seen. The orange
# curve has ten free parameters and knows nothing. The blue one has three, on features from a neighbouring task.

# %%
few_labels()

# %% [markdown]
# Read the right-hand chart twice. With few labels the reused features win by far. With very many the free curve
# passes them, because the borrowed features fit *nearly*, and nearly is a limit. Both halves occur in practice: Raghu
# et al. (2019) found on large medical sets with very many labels that transfer gave the scores little, and with few
# labels more. [Does transfer help?](../docs/explanation/does-transfer-help.md) says what they asked, and how it is
# measured.
#
# **Near domains.** The nearer your images are to those that the encoder learned from, the more of what it knows is of
# use (Matsoukas et al. 2022). It can be measured: photographs come out at about 0.06 with this encoder, skin lesions
# and chest X-rays at 0.27, Gaussian noise at 0.74 ([How far images are](../docs/explanation/domain-distance.md)).
# Notebook 6 does that for your data.
#
# **Little time, little hardware.** What does not learn needs no gradient. That is easy to measure: here is the same
# model with everything learning, for a few epochs.

# %%
full = mg.fit(data, **kept(RUNS / "full", strategy="full", size=64, epochs=3, patience=0))
where_time_goes({"frozen": run.history, "everything learns": full.history})

# %% [markdown]
# Each run measures where its own time goes. In the frozen run the encoder only looks, which costs a forward pass, and
# learning is the decoder's alone. Where everything learns, the orange part holds forward and backward passes through
# the whole network. How large the difference is depends on your machine and on the size of the images ([Where the
# time goes](../docs/explanation/speed.md)). Notebook 4 takes it apart.
#
# Is the faster one worse? Three epochs are no fair race, so these two scores do not answer it:

# %%
for name, one in {"frozen, 8 epochs": run, "everything learns, 3 epochs": full}.items():
    for metric in ("dice", "auc"):
        if metric in one.scores.test:
            print(f"{name:30} test {metric} {one.scores.test[metric]}")

# %% [markdown]
# A fair answer wants the same images, enough epochs for both, several seeds and the interval of the *difference*.
# That is what the rest of the workshop is about.
#
# ## When to expect less of it
#
# - There are very many labels. They can replace what pretraining knew.
# - The images are far from those of the pretraining. Then more of the encoder has to change.
# - Nobody measured it. A pretrained model with a good score is no proof that the pretraining is what helped.
#
# Four choices follow from this, and each has a notebook: what to train on (2), what to put behind the encoder and
# which loss to use (3 and 4), how much of the encoder may learn (4 and 5), and how to tell whether it helped (6).

# %% tags=["quiz"]
quiz("when-it-helps")

# %% [markdown]
# ## What you can say now
#
# - Transfer learning reuses what an encoder learned elsewhere; a frozen encoder stays as it came, and only the new
#   part learns.
# - It is likely to pay where labels are few, images are near to those of the pretraining, and time or hardware is
#   short.
# - With very many labels it may give little, as what is borrowed fits only nearly.
# - A score comes with an interval and with the number of images behind it. On drawn images it says nothing of
#   patients.
# - It is fast because what does not learn needs no backward pass.
#
# Read on: [Train](../docs/how-to/train.md), [Does transfer help?](../docs/explanation/does-transfer-help.md), [What a
# score says](../docs/explanation/scores.md).
