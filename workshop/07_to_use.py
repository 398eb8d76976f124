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
# # 7. From model to use
#
# A model returns a number. Somebody has to decide from it, and to know when not to. In this notebook you choose a
# threshold, ask whether probabilities mean what they say, catch a model that looks at the wrong thing, learn what an
# explanation can and cannot show, and hand the model on as one file.

# %%
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

import medgraft as mg
from medgraft.evaluation import apply_temperature, brier_score, expected_calibration_error, fit_temperature
from medgraft.explain import explain, mass_inside
from medgraft.pipeline.export import export_run
from medgraft.progress import Observer
from medgraft.serving.model import ServedModel
from medgraft.workshop import check, hint, kept, progress, solution, working
from medgraft.workshop.drawn import drawn_labels
from medgraft.workshop.figures.calibration_curves import reliability_curves, threshold_curves
from medgraft.workshop.figures.outlines import gallery

WORK = Path("workshop-data")  # what the notebooks draw, train and keep; it can be deleted at any time
DATA = os.environ.get("MEDGRAFT_WORKSHOP_DATA")  # or the path of your own images: "/path/to/xrays/labels.csv"
GROUP = os.environ.get("MEDGRAFT_WORKSHOP_GROUP")  # or the column of your CSV that names the patient: "patient_id"
SIZE, MOST = 96, 240
torch.manual_seed(0)

if DATA and (mg.open(DATA).classes is None or mg.open(DATA).classes.kind != "binary"):
    print(f"{DATA}: two labels are wanted here; this notebook takes drawn images.")
    DATA = None
manifest = mg.open(DATA, group=GROUP) if DATA else mg.open(drawn_labels(WORK / "hair"))
if len(manifest) > MOST:
    manifest = replace(manifest, table=manifest.table.sample(MOST, random_state=0))
negative, positive = manifest.classes.names
print(f"{len(manifest)} images; is it {positive}?")

# %% [markdown]
# The model is a frozen encoder with a linear head. The shares of the split give many images to validation and test,
# as this notebook is about those.

# %%
QUICK = {"size": SIZE, "engine": "torch", "precision": "fp32", "memory_format": "channels_last",
         "ratios": (0.4, 0.3, 0.3)}  # fmt: skip
RUNS = WORK / "runs" / manifest.name
run = mg.fit(manifest, observer=Observer(), **kept(RUNS / "plain", strategy="frozen", **QUICK))
table = run.predictions
table["truth"] = (table["target"] == positive).astype(int)
val, test = (table[table["split"] == split] for split in ("val", "test"))
print(f"test AUC {run.scores.test['auc']}")
table[["id", "split", "target", f"p_{positive}", "predicted"]].head()

# %% [markdown]
# ## Where to decide
#
# AUC knows no threshold; a decision needs one. With it come two shares: **sensitivity**, of the positives that are
# found, and **specificity**, of the negatives that are left in peace. A threshold trades one for the other. 0.5 is a
# habit and no more. Where positives are few, or a missed finding costs more than a false alarm, it lies elsewhere.

# %%
p_val, y_val = val[f"p_{positive}"].to_numpy(), val["truth"].to_numpy()
p_test, y_test = test[f"p_{positive}"].to_numpy(), test["truth"].to_numpy()
threshold_curves(p_val, y_val)

# %% [markdown]
# A threshold is a part of the model, like its weights. So it is chosen before anybody looks at the test images. One
# that was chosen on test images makes their score too good, and nobody can tell by how much.
#
# **Exercise.** Write `choose(val_scores, val_labels, test_scores, test_labels)`, all NumPy arrays `[n]`, scores from 0
# to 1 and labels 0 or 1. Return two numbers:
#
# 1. the threshold with the largest Youden's J (sensitivity + specificity - 1) on validation; any validation score can
#    be it,
# 2. J of the test set at that threshold.
#
# An image counts as positive from the threshold on. Example: for validation scores `[0.2, 0.3, 0.6]` with the labels
# `[0, 1, 1]` the threshold is 0.3.


# %% tags=["exercise"] exercise="threshold"
def choose(val_scores, val_labels, test_scores, test_labels):
    raise NotImplementedError


# %% tags=["check"]
check("threshold", choose)
choose = working("threshold", choose)

# %%
threshold, j = choose(p_val, y_val, p_test, y_test)
_, cheated = choose(p_test, y_test, p_test, y_test)
print(f"threshold {threshold:.2f} from validation: J on test {j:.2f}")
print(f"a threshold chosen on test would have claimed {cheated:.2f}")

# %% [markdown]
# Between two scores nothing changes, so J goes in steps, and every threshold on its highest step is as good on
# validation. (The dotted line above is at the left end of that step; yours may lie elsewhere on it.)
#
# J gives both errors the same weight. In screening one may ask for a sensitivity of 0.9 first. In Medgraft that is
# one option, chosen on validation and kept with the model: `medgraft evaluate RUN --threshold sensitivity=0.9`. On 40
# positive validation images a 0.9 may be a 0.8 elsewhere; look at it on test, with its interval.
#
# ## Does 0.8 mean 8 of 10?
#
# A model is *calibrated* if findings with a probability of 0.8 are true in 8 of 10 cases. Networks tend to be surer
# than they should be. To see the cure at work, take a forecaster that you know: its true probabilities are given, and
# it exaggerates, with logits three times too large.

# %%
rng = np.random.default_rng(0)
honest_logits = rng.normal(0, 1.5, 4000)
honest = 1 / (1 + np.exp(-honest_logits))
truth = (rng.random(4000) < honest).astype(int)
loud = 1 / (1 + np.exp(-3 * honest_logits))
temperature = fit_temperature(loud[:2000], truth[:2000], "binary")  # on one half ...
cooled = apply_temperature(loud, temperature, "binary")
print(f"temperature {temperature:.2f} (3 would be exact)")


def bins(probabilities, truth, count=10):
    where = np.minimum((probabilities * count).astype(int), count - 1)
    return [(probabilities[where == b].mean(), truth[where == b].mean(), int((where == b).sum()))
            for b in range(count) if (where == b).any()]  # fmt: skip


late = slice(2000, None)  # ... judged on the other
reliability_curves({"too sure": bins(loud[late], truth[late]), "cooled": bins(cooled[late], truth[late])})

# %% [markdown]
# One number, the temperature, divides all logits. The order of the images stays, and so do AUC and every decision at
# 0.5. Two figures say how good probabilities are, both lower for better: the *expected calibration error* is how far
# the points of such a diagram lie from the diagonal, on average over the images; the *Brier score* is the mean squared
# difference between probability and outcome (0 or 1). Now your own model. Fit on validation, judge on test:

# %%
own = fit_temperature(p_val, y_val, "binary")
for name, values in (("as it is", p_test), (f"temperature {own:.2f}", apply_temperature(p_test, own, "binary"))):
    print(f"{name:<18} expected calibration error {expected_calibration_error(values, y_test, 'binary'):.2f}, "
          f"Brier {brier_score(values, y_test, 'binary'):.3f}")  # fmt: skip
print(f"a perfectly honest forecaster on {len(y_test)} images shows an error of about", end=" ")
coins = [(rng.random(len(p_test)) < p_test).astype(int) for _ in range(200)]
draws = [expected_calibration_error(p_test, coin, "binary") for coin in coins]
print(f"{np.mean(draws):.2f}, by chance alone")

# %% [markdown]
# The last line is the lesson. Chance only adds to a calibration error, so on few images it is never near 0. Under 100
# images look at the Brier score and the log loss instead.
#
# ## The wrong reason
#
# Sick patients are photographed with a ruler, portable X-rays carry a letter in the corner, one hospital has most of
# the cases. A model takes whatever works. Zech et al. (2018) trained on X-rays of two hospitals: the AUC was 0.931
# there, and 0.815 in a third one.
#
# Make such a fault on purpose. To have it plain, the label is now a coin, thrown once for each patient: nothing in the
# images can tell it. Then nearly all positives, and few others, get a white sticker in a corner.


# %%
def pixels_of(image):
    """8 bits, at the working size."""
    pixels = mg.data.resize_image(mg.data.read_image(image), SIZE)
    return pixels if pixels.dtype == np.uint8 else (pixels // 257).astype(np.uint8)


def marked(pixels):
    side = SIZE // 5
    changed = pixels.copy()
    changed[2 : 2 + side, 2 : 2 + side] = 255
    return changed


folder = WORK / f"{manifest.name}-marked"
folder.mkdir(exist_ok=True)
patients = manifest.table["group" if manifest.has_groups else "id"]
coin = {patient: bool(rng.integers(2)) for patient in patients.unique()}
plain, rows = [pixels_of(image) for image in manifest.table["image"]], []
for place, (pixels, patient) in enumerate(zip(plain, patients, strict=True)):
    has_mark = rng.random() < (0.95 if coin[patient] else 0.03)
    Image.fromarray(marked(pixels) if has_mark else pixels).save(folder / f"{place:03d}.png")
    label = "positive" if coin[patient] else "negative"
    rows.append({"image": f"{place:03d}.png", "label": label, "patient": patient})
pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
caught = mg.fit(folder / "labels.csv", observer=Observer(), **kept(RUNS / "marked", strategy="frozen", **QUICK))
print(f"test AUC {caught.scores.test['auc']}, of a coin")

# %% [markdown]
# A fine score, with an interval, on patients that the model never saw. No split and no interval shows this fault, as
# the mark is in the test images, too. So change one thing: the same images without the mark, and with it on all of
# them.

# %%
held = caught.predictions.query("split == 'test'")
plain_images = [plain[int(Path(name).stem)] for name in held["image"]]
thrown = (held["target"] == "positive").to_numpy()
clean = np.array([answer.probabilities[1] for answer in caught.predict(plain_images)])
all_marked = np.array([answer.probabilities[1] for answer in caught.predict([marked(one) for one in plain_images])])
print(f"AUC without any mark: {roc_auc_score(thrown, clean):.2f}")
print(f"mean probability of positive: {clean.mean():.2f} without the mark, {all_marked.mean():.2f} with it on all")
print(f"the mark raises it in {np.mean(all_marked > clean):.0%} of the images")

# %% [markdown]
# `mg.inspect` looks for this before any training: can the label be guessed, in patients never seen, from the border,
# the coarse layout or the size of the file?

# %%
inspection = mg.inspect(folder / "labels.csv", out=WORK / "inspect", observer=Observer())
for finding in inspection.audit.findings:
    if finding.topic.lower().startswith("shortcut"):
        print(finding.severity, "-", finding.sentence)

# %% [markdown]
# ## Where did it look?
#
# Occlusion covers one patch of the image after the other and marks how far the answer falls. Below are images with
# the mark, and the map of the model that learned from marks.

# %%
some = [marked(one) for one, sick in zip(plain_images, thrown, strict=True) if sick][:3]
maps = [explain(caught, one, method="occlusion", target="positive").map for one in some]
gallery(some, ["marked, positive"] * len(some), maps)

# %%
corner = np.zeros((SIZE, SIZE), bool)
corner[: SIZE // 4, : SIZE // 4] = True
share = np.nanmean([mass_inside(one, corner) for one in maps])
print(f"{share:.0%} of the map's mass lies in a corner that is {corner.mean():.0%} of the image")

# %% [markdown]
# The maps mark the corner far more than its area would earn, and other places as well. You see the fault because you
# knew where to look, and had a measure: the mass in a region against the region's area. Know the limits:
#
# - A map says where the answer would change, by one method's measure. It is no proof of reasoning.
# - A plausible map makes no answer more likely to be right. A model may look at the right place for a wrong reason.
# - Some methods give nearly the same map when the weights are random: they show the image, not the model. `medgraft
#   explain` shuffles the weights and says so.
#
# ## One file, and a page
#
# What is used elsewhere is not the notebook. `export` writes one file in the format ONNX, which runs without PyTorch,
# with everything inside: preprocessing, the temperature, the final sigmoid; classes, threshold and the licence of the
# weights in its metadata. It is compared with PyTorch before it is written.

# %%
exported = export_run(run, out=WORK / "model.onnx", observer=Observer())
print(f"{exported.path.name}: {exported.megabytes:.1f} MB, largest difference from PyTorch {exported.difference:.1e}")
served = ServedModel.load(exported.path)
print(json.dumps({"classes": served.info.classes.names, "threshold": served.info.threshold, "size": served.info.size}))

# %% [markdown]
# The threshold in it is 0.5: what you chose above stayed in this notebook. `medgraft evaluate RUN --threshold youden`
# chooses one on validation and keeps it with the run, and fits the temperature as well. What is exported after that has
# both.
#
# The file can also say how familiar an image is. Give it one that is like the others, and one that is nothing at all:

# %%
noise = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
for name, answer in zip(("a test image", "noise"), served.predict([plain_images[0], noise]), strict=True):
    familiar = "unknown" if answer.familiarity is None else f"{answer.familiarity:.0%} of the known images are nearer"
    print(f"{name:<13} {answer.prediction}; {familiar}")

# %% [markdown]
# The model answers noise as well, and perhaps with confidence. Only the familiarity warns.
#
# The web page does the same for people: `medgraft serve workshop-data/model.onnx` in a terminal, then open
# the address that it prints, drop an image, and move the threshold. It is for research only, and says so on every
# answer.
#
# ## Before anybody uses it
#
# 1. Was the test set touched once, after everything was chosen?
# 2. By patient, and from which hospital? Other hospitals are not in any interval.
# 3. Threshold: who chose it, on what, and which error costs more?
# 4. Subgroups: for whom is it worse (`medgraft evaluate RUN --by sex --by age=40,60`)? No gap seen is not no gap.
# 5. What could the label be guessed from, besides the finding?
# 6. Who is asked when the image is unfamiliar, or the model unsure?

# %%
progress()

# %% [markdown]
# ## What you can say now
#
# - A threshold is chosen on validation images, for a stated reason, and travels with the model.
# - A probability can be checked against what came true; on few images, chance looks like miscalibration.
# - A high score on new patients does not rule out a shortcut. Changing one thing in the images does.
# - An explanation is for finding faults. It proves nothing about an answer.
# - I can hand on one file that knows its classes, its threshold and its limits.
#
# Read on: [What a probability is worth](../docs/explanation/calibration.md), [What an explanation
# says](../docs/explanation/explanations.md), [Evaluate](../docs/how-to/evaluate.md), [Look at your data
# first](../docs/how-to/inspect.md), [Export](../docs/how-to/export.md), [Serve](../docs/how-to/serve.md).
