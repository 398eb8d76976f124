"""What the tests put into archives, and how they look at what came of them."""

from __future__ import annotations

import argparse
import io
import shlex
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from medgraft.catalog.get import ABOUT, MARKER
from medgraft.cli import fit
from medgraft.cli.options import chosen_options
from medgraft.data import open_data
from medgraft.recipe import Recipe


def picture(value=90, size=(12, 10), suffix="png", mode="RGB"):
    """The bytes of an image of one value."""
    out = io.BytesIO()
    Image.new(mode, size, value if mode in "L1" else (value,) * 3).save(out, {"jpg": "JPEG"}.get(suffix, suffix))
    return out.getvalue()


def outline(*rows, suffix="png"):
    """The bytes of a mask of 12 x 10 whose given rows are 255."""
    mask = np.zeros((10, 12), np.uint8)
    mask[list(rows)] = 255
    out = io.BytesIO()
    Image.fromarray(mask).save(out, {"jpg": "JPEG"}.get(suffix, suffix))
    return out.getvalue()


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def below(folder):
    """What lies in a folder, without what says where it comes from."""
    names = (path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())
    return sorted(name for name in names if name not in (MARKER, ABOUT))


def parsed_recipe(command):
    """The recipe of a command of ``fit``."""
    return Recipe.make(**chosen_options(parsed(command)))


def parsed(command):
    parser = argparse.ArgumentParser()
    fit.add_arguments(parser)
    return parser.parse_args(shlex.split(command)[2:])


def opened(command):
    """The data as ``fit`` would read it."""
    recipe = parsed_recipe(command)
    return open_data(
        parsed(command).data,
        image_column=recipe.image_column,
        group=recipe.group_column,
        label_column=recipe.label_column,
        classes=recipe.classes,
    )


def pairs(count=4):
    """A zip of images/ and masks/."""
    return zipped({f"{what}/{n}.png": draw(n) for n in range(count) for what, draw in
                   (("images", picture), ("masks", outline))})  # fmt: skip
