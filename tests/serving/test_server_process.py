"""The server as a process of its own: how it starts and ends, and clients that are slow, rude or gone."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from tiny_models import file_of, picture

import medgraft
from medgraft.cli.main import main
from medgraft.errors import RecipeError
from medgraft.serving.server import address_of, listen

MEDGRAFT = (sys.executable, "-c", "import sys; from medgraft.cli.main import main; sys.exit(main())")

IMPATIENT = """
import json, socket, sys
from medgraft.serving import server
from medgraft.serving.app import create_app
from medgraft.serving.limits import Limits
from medgraft.serving.model import ServedModel
server.HEAD_SECONDS, server.WRITE_SECONDS, server.CONNECTIONS = 0.5, 0.5, 20
listening = server.listen("127.0.0.1", 0, None)
app = create_app([ServedModel.load(sys.argv[1])], Limits(**json.loads(sys.argv[2])))
server.serve(app, listening, lambda: print("impatient at", server.address_of(listening), flush=True))
"""

LONG = 15.0
"""Seconds after which a client that should have been cut off gives up; the server waits half of one."""

PART = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'


def head(length):
    """The head of a prediction request with a form of so many bytes."""
    lines = (b"POST /v1/predict HTTP/1.1", b"Host: localhost", b"Content-Length: %d" % length)
    return b"\r\n".join((*lines, b"Content-Type: multipart/form-data; boundary=b", b"", b""))


class Running:
    """A server process that is ready."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
        line = self.process.stdout.readline()
        if " at http://" not in line:
            self.process.kill()
            pytest.fail(f"it did not start: {line} {self.process.communicate()}")
        self.line = line
        self.url = re.search(r"http://\S+", line)[0]
        self.port = int(self.url.rpartition(":")[2])

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return answer.read()

    def predict(self, *contents):
        """The results for images."""
        body = b"".join(PART + content + b"\r\n" for content in contents) + b"--b--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/v1/predict", body, headers), timeout=20
        ) as answer:
            return json.load(answer)["results"]

    def figure(self, name):
        """A figure of /metrics."""
        lines = self.get("/metrics").decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))

    def connect(self):
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        opened.settimeout(20)
        return opened

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture(scope="module")
def environment():
    source = str(Path(medgraft.__file__).absolute().parents[1])
    return {k: v for k, v in os.environ.items() if k != "MEDGRAFT_TOKEN"} | {
        "PYTHONPATH": source,
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def start(environment):
    """Start ``medgraft serve`` with some arguments, and wait until it is ready."""
    started = []

    def launch(*arguments):
        started.append(Running([*MEDGRAFT, "serve", *map(str, arguments)], environment))
        return started[-1]

    yield launch
    for running in started:
        running.end()


@pytest.fixture(scope="module")
def impatient(environment, tiny_files):
    """A server that waits half a second for a slow client, and no longer."""
    limits = json.dumps({"pause_seconds": 0.5, "least_rate": 100_000, "queue": 4, "max_images": 4})
    running = Running([sys.executable, "-c", IMPATIENT, str(tiny_files[0]), limits], environment)
    yield running
    assert running.predict(picture(102))[0]["label"] == "dark"  # it has outlived all of them
    running.end()


def answer_to(connection):
    """All that comes until the server closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            received += piece
    return received


def wait_for(true, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def test_it_says_where_it_is_serves_and_ends_by_ctrl_c(start, tiny_files):
    server = start(*tiny_files, "--port", 0)
    assert server.line == f"serving brightness, light, colours at {server.url}   Ctrl-C ends it\n"
    assert server.url.startswith("http://127.0.0.1:")
    assert server.predict(picture(102), picture(255))[1]["label"] == "bright"
    assert b"<" in server.get("/")
    loaded = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "onnxruntime" in loaded and "libtorch" not in loaded
    children = psutil.Process(server.process.pid).children()
    assert children
    server.process.send_signal(signal.SIGINT)
    out, err = server.process.communicate(timeout=20)
    assert (server.process.returncode, out) == (0, "")
    assert "POST /v1/predict 200" in err and err.endswith("stopped.\n") and "Traceback" not in err
    assert psutil.wait_procs(children, timeout=10)[1] == []


def test_killed_and_started_again_it_serves(start, tiny_files):
    first = start(*tiny_files, "--port", 0)
    first.predict(picture())
    children = psutil.Process(first.process.pid).children()
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    second = start(*tiny_files, "--port", first.port)
    assert second.predict(picture(102))[0]["label"] == "dark"
    assert psutil.wait_procs(children, timeout=10)[1] == []  # nobody is left of the first


@pytest.fixture
def refused(monkeypatch, capsys):
    """Run ``medgraft serve`` where it cannot start; returns its exit code and what it says."""
    monkeypatch.delenv("MEDGRAFT_TOKEN", raising=False)

    def call(*arguments):
        code = main(["serve", *map(str, arguments)])
        said = capsys.readouterr()
        assert said.out == "" and said.err.count("\n") == 1
        return code, said.err

    return call


def test_a_port_in_use(refused, tiny_files):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refused(tiny_files[0], "--port", port)
    assert said == (
        2,
        f"error: --port {port}: something else listens there already; end that, or choose another port.\n",
    )


def test_other_machines_are_not_served_without_a_token(refused, tiny_files):
    code, said = refused(tiny_files[0], "--host", "0.0.0.0", "--port", 0)
    assert code == 2 and "add --token TOKEN" in said


@pytest.mark.parametrize(
    ("host", "port", "token", "words"),
    [
        ("0.0.0.0", 0, None, "--host 0.0.0.0: other machines could reach that; add --token TOKEN"),
        ("::", 0, None, "add --token TOKEN"),
        ("example.invalid", 0, None, "add --token TOKEN"),
        ("127.0.0.1", 0, "short", "--token: at least 16"),
        ("127.0.0.1", 0, "ä" * 20, "--token: at least 16"),
        ("127.0.0.1", 70000, None, "--port: a number from 1 to 65535 is wanted, not 70000."),
        ("192.0.2.1", 0, "a token of the tests", "cannot listen there"),
    ],
)
def test_addresses_that_are_refused(host, port, token, words):
    with pytest.raises(RecipeError, match=re.escape(words)):
        listen(host, port, token)


def test_addresses_that_are_taken():
    for host, token in (("127.0.0.1", None), ("localhost", None), ("0.0.0.0", "a token of the tests")):
        with listen(host, 0, token) as listening:
            assert re.fullmatch(r"http://[\d.]+:\d+|http://\[::1?\]:\d+", address_of(listening))


@pytest.mark.parametrize("text", ["", "no model", "{}"])
def test_what_is_no_model(refused, tmp_path, text):
    file = tmp_path / "model.onnx"
    file.write_text(text)
    code, said = refused(file, "--port", 0)
    assert code == 2 and said.startswith(f"error: {file}")


def test_what_is_not_there(refused, tmp_path):
    code, said = refused(tmp_path / "nowhere", "--port", 0)
    assert (code, said) == (2, f"error: {tmp_path / 'nowhere'}: no such run folder or exported file.\n")


@pytest.mark.parametrize(("option", "value"), [("--queue", 0), ("--max-images", 65), ("--max-pixels", -1)])
def test_limits_that_make_no_sense_are_refused(refused, tiny_files, option, value):
    code, said = refused(tiny_files[0], option, value)
    assert code == 2 and said.startswith(f"error: {option}: ")


def test_a_body_that_trickles_is_given_up(impatient):
    with impatient.connect() as client:
        client.sendall(head(100_000) + PART)
        begin = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - begin < LONG and not _readable(client):
                client.sendall(b"x")  # never a pause, but far too slow
                time.sleep(0.05)
        assert answer_to(client).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begin < LONG
    wait_for(lambda: impatient.figure("medgraft_images_in_work") == 0)


def test_a_body_that_pauses_is_given_up(impatient):
    with impatient.connect() as client:
        client.sendall(head(100_000) + PART)
        assert answer_to(client).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_head_that_does_not_end_is_cut_off(impatient, sent):
    begin = time.monotonic()
    with impatient.connect() as client:
        client.sendall(sent)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent and time.monotonic() - begin < LONG and not _readable(client):
                client.sendall(b"y")
                time.sleep(0.05)
        assert answer_to(client) == b""
    assert time.monotonic() - begin < LONG


def test_a_second_head_is_cut_off_too(impatient):
    with impatient.connect() as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while b"ok" not in answer:  # its head and its body may come apart
            received = client.recv(1 << 16)
            assert received
            answer += received
        begin = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - begin < LONG and not _readable(client):
                client.sendall(b"G")
                time.sleep(0.05)
        answer_to(client)
    assert time.monotonic() - begin < LONG


def test_a_head_without_end_is_refused(impatient):
    with impatient.connect() as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(b"GET / HTTP/1.1\r\nX: " + b"y" * (4 << 20))
        assert answer_to(client)[:13] in (b"HTTP/1.1 400 ", b"")


def test_a_body_that_goes_on_after_the_answer_is_cut_off(impatient):
    with impatient.connect() as client:
        client.sendall(b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n")
        begin = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() - begin < LONG:
                client.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - begin < LONG
        assert answer_to(client)[:13] in (b"HTTP/1.1 405 ", b"")


def test_who_leaves_in_the_middle_frees_the_place(impatient):
    # Each would hold one of four places.
    for _ in range(12):
        with impatient.connect() as client:
            client.sendall(head(9999) + PART)
    wait_for(lambda: impatient.figure("medgraft_images_in_work") == 0)
    assert impatient.figure("medgraft_held_bytes") == 0


def test_who_leaves_while_the_work_goes_on_frees_the_place(impatient):
    noise = file_of(Image.fromarray(np.random.default_rng(0).integers(0, 255, (900, 900, 3), np.uint8)))
    body = PART + noise + b"\r\n--b--\r\n"
    for _ in range(12):
        with impatient.connect() as client:
            client.sendall(head(len(body)) + body)
    wait_for(lambda: impatient.figure("medgraft_images_in_work") == 0)
    assert impatient.figure("medgraft_held_bytes") == 0


def test_an_answer_that_nobody_reads_holds_its_place_for_a_while_only(impatient):
    noise = file_of(Image.fromarray(np.random.default_rng(0).integers(0, 255, (1024, 1024, 3), np.uint8)))
    body = (PART + noise + b"\r\n") * 4 + b"--b--\r\n"
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", impatient.port))
    client.sendall(head(len(body)) + body)
    with client:
        wait_for(lambda: impatient.figure("medgraft_images_in_work") == 4)
        with pytest.raises(urllib.error.HTTPError) as full:
            impatient.predict(picture())
        assert full.value.code == 503
        wait_for(lambda: impatient.figure("medgraft_images_in_work") == 0)


def test_too_many_connections_are_closed(impatient):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(impatient.connect()) for _ in range(40)]
        closed = 0
        for client in clients:
            client.setblocking(False)
        time.sleep(0.2)
        for client in clients:
            with contextlib.suppress(BlockingIOError):
                try:
                    closed += client.recv(1) == b""
                except ConnectionResetError:
                    closed += 1
        assert closed >= 20
    wait_for(lambda: _answers(impatient))


def _answers(running):
    with contextlib.suppress(OSError):
        return running.get("/healthz") == b'{"status":"ok"}'
    return False


def _readable(client):
    """Whether the server has sent something or closed the connection."""
    client.setblocking(False)
    try:
        return client.recv(1, socket.MSG_PEEK) is not None
    except BlockingIOError:
        return False
    finally:
        client.settimeout(20)
