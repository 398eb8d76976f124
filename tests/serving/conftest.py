"""A server over tiny models, in this process and as one of its own."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from tiny_models import colours_file, labels_file, masks_file

from medgraft.serving.app import create_app
from medgraft.serving.limits import Limits
from medgraft.serving.model import ServedModel

HERE = "http://127.0.0.1:8000"


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory):
    """Exported files of the three tiny models: labels, masks of one class, masks of two."""
    folder = tmp_path_factory.mktemp("exported")
    return [make(folder / f"{make.__name__}.onnx") for make in (labels_file, masks_file, colours_file)]


@pytest.fixture(scope="session")
def tiny_models(tiny_files):
    return [ServedModel.load(path, threads=1) for path in tiny_files]


@pytest.fixture(scope="session")
def client(tiny_models):
    """A client of a server with all three models."""
    with TestClient(create_app(tiny_models), base_url=HERE) as opened:
        yield opened


@pytest.fixture
def small_server(tiny_models):
    """Make a client of a server with limits of its own."""
    opened = []

    def make(token=None, base=HERE, **limits):
        client = TestClient(create_app(tiny_models, Limits(**limits), token), base_url=base)
        opened.append(client)
        return client.__enter__()

    yield make
    for client in opened:
        client.__exit__(None, None, None)
