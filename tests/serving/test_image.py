"""The container image, as far as that can be told without building it: its recipe, and what it installs."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from pydicom.data import get_testdata_file
from tiny_models import picture

ROOT = Path(__file__).parents[2]
NEEDED = ROOT / "requirements-serve.txt"

SERVE = """
import json, sys
from pathlib import Path

class Lacking:
    names = set(json.loads(sys.argv[1]))
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Lacking())
import medgraft.cli.main, medgraft.cli.serve, medgraft.serving.server
from medgraft.serving.app import create_app
from medgraft.serving.decoder import Order, _import_codecs, decode
from medgraft.serving.files import exported_file
from medgraft.serving.model import ServedModel
_import_codecs()
model = ServedModel.load(exported_file(Path(sys.argv[2])))
for file in sys.argv[3:]:
    print(model.predict([decode(Path(file).read_bytes(), Order(32, 3, "auto", 10**7, True)).pixels]))
app = create_app([model])
app.openapi()
app.state.service.close()
"""


def plain(name):
    return re.sub("[-_.]+", "-", name).lower()


def listed():
    """The requirements of the file."""
    lines = (line.partition("#")[0].strip() for line in NEEDED.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def installed():
    """The distributions that the file brings, with all that they need, by name."""
    found, waiting = {}, [requirement.name for requirement in listed()]
    while waiting:
        name = plain(waiting.pop())
        if name not in found:
            found[name] = importlib.metadata.distribution(name)
            needs = map(Requirement, found[name].requires or [])
            waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


@pytest.mark.parametrize("scan", ["MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm", "SC_rgb_jpeg_gdcm.dcm"])
def test_the_server_needs_nothing_that_the_image_lacks(tiny_files, tmp_path, scan):
    """It runs where every other package that is installed here cannot be imported."""
    image = tmp_path / "image.png"
    image.write_bytes(picture())
    there = {*installed(), "medgraft"}
    owners = importlib.metadata.packages_distributions().items()
    lacking = [top for top, names in owners if not there & set(map(plain, names))]
    assert {"torch", "pandas", "nibabel", "requests", "rich"} <= set(lacking)
    files = [str(tiny_files[0]), str(image), get_testdata_file(scan)]
    done = subprocess.run(
        [sys.executable, "-c", SERVE, json.dumps(lacking), *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Answer(") == 2


def test_the_list_agrees_with_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    known = [*project["dependencies"], *extras["serve"], *extras["dicom"]]
    bounds = {plain(Requirement(line).name): Requirement(line).specifier for line in known}
    assert {plain(need.name): need.specifier for need in listed()}.items() <= bounds.items()
    assert set(extras["serve"]) <= {str(need) for need in listed()}
    assert not {"torch", "torchvision", "timm", "matplotlib", "scikit-learn"} & set(installed())


def test_the_recipe_of_the_image():
    """Linted; a user without rights; nothing but what is needed is copied; nobody's address is in it."""
    recipe = ROOT / "Dockerfile"
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, recipe], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout
    lines = recipe.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001"]
    assert not [line for line in lines if "://" in line and "127.0.0.1" not in line]
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert allowed[0] == "*"
    for line in lines:
        if line.startswith("COPY") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists() and f"!{source}" in allowed, source
