"""A server of their own for the tests of the catalogue, and a place with nothing in it."""

import catalog_server
import pytest


@pytest.fixture
def server():
    with catalog_server.running() as running:
        yield running


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGRAFT_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    return place
