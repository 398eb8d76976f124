"""Models in these tests are so small that a second thread costs more than it brings; none may use a network."""

import socket

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def no_sockets(monkeypatch):
    """Every connection fails, as on a machine without a network."""

    def refuse(*_args, **_kwargs):
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
