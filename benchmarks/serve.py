"""The server under load against a naive one, and how soon it serves again after it was killed.

Clients keep a connection each and send the next image when the last one is answered; they run in a process of their own
on the same cores. Both servers are processes of their own, one after the other, and get the same images.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from machine import describe_machine, heading, markdown, say

HEAD = {"Content-Type": "multipart/form-data; boundary=b"}
IMAGES = 64
WARM_UP = 3.0
READY_SECONDS = 120.0


@dataclass
class Load:
    """What clients saw: seconds of each good answer, requests that went wrong, seconds in all; and the server's work.

    ``work`` is in seconds of all cores, of the server and the processes that it started; clients are not in it.
    """

    seconds: list[float]
    errors: int
    length: float
    work: float = 0.0

    def cells(self) -> list[str]:
        """Errors, median, 95th percentile, processor time an image, images a second."""
        p50, p95 = np.percentile(self.seconds, [50, 95]) * 1000 if self.seconds else (np.nan, np.nan)
        each = 1000 * self.work / max(len(self.seconds), 1)
        return [str(self.errors), f"{p50:.0f} ms", f"{p95:.0f} ms", f"{each:.0f} ms", f"{self.rate:.1f}"]

    @property
    def rate(self) -> float:
        """Images a second."""
        return len(self.seconds) / self.length


def main() -> None:
    """Measure both servers and print the tables."""
    options = _options()
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as scratch:
        run = options.run or _trained(options.data, Path(scratch) / "run")
        exported = _exported(run, Path(scratch) / "model.onnx")
        contents = [file.read_bytes() for file in _files(options.images or options.data)]
        loads, starts = _measure(options, exported, run, contents)
    print(heading("A server under load", machine))
    print(f"{options.clients} clients for {options.seconds:.0f} s each, {len(contents)} different images.\n")
    naive = loads["naive"].rate
    rows = [[name, *load.cells(), f"{load.rate / naive:.1f}x"] for name, load in loads.items()]
    columns = ["server", "errors", "p50", "p95", "processor time an image", "images a second", "of the naive one"]
    print(markdown(columns, rows))
    print(markdown(["start to the first answer", "seconds"], [[name, f"{took:.1f}"] for name, took in starts.items()]))


def _measure(
    options: argparse.Namespace, exported: Path, run: Path, contents: list[bytes]
) -> tuple[dict[str, Load], dict[str, float]]:
    command = [sys.executable, "-c", "import sys; from medgraft.cli.main import main; sys.exit(main())", "serve"]
    ours = [*command, str(exported), "--port"]
    naive = [sys.executable, str(Path(__file__).parent / "peers" / "naive_server.py"), str(run)]
    plain, shown = ([_body(content, pictures) for content in contents] for pictures in (0, 1))
    bare = [_body(content, None) for content in contents]
    loads, starts = {}, {}
    with _server(ours) as (port, started, process):
        starts["Medgraft"] = started
        loads["Medgraft"] = _load(port, process, plain, options)
        loads["Medgraft, with pictures"] = _load(port, process, shown, options)
        say("Medgraft: killed under load")
        starts["Medgraft, killed under load and started again"] = _restart(process, ours, port, plain, options)
    with _server(naive) as (port, started, process):
        starts["naive"] = started
        loads["naive"] = _load(port, process, bare, options)
    return loads, starts


@contextlib.contextmanager
def _server(command: list[str], port: int = 0) -> Iterator[tuple[int, float, subprocess.Popen[bytes]]]:
    """Start a server; its port, the seconds until its first answer, and its process."""
    if port == 0:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    start = time.perf_counter()
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield port, time.perf_counter() - start, process
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.perf_counter() + READY_SECONDS
    while time.perf_counter() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
            return
        time.sleep(0.01)
    sys.exit("a server did not start")


def _restart(
    process: subprocess.Popen[bytes], command: list[str], port: int, bodies: list[bytes], options: argparse.Namespace
) -> float:
    """Seconds from the kill to the first prediction of the next server, while the clients keep on asking."""
    stop = threading.Event()
    clients = [threading.Thread(target=_ask, args=(port, bodies, stop, [], [], k)) for k in range(options.clients)]
    for client in clients:
        client.start()
    time.sleep(WARM_UP)
    process.send_signal(signal.SIGKILL)
    process.wait()
    start = time.perf_counter()
    try:
        with _server(command, port):
            seen: list[float] = []
            again = threading.Event()
            probe = threading.Thread(target=_ask, args=(port, bodies, again, seen, [], 0))
            probe.start()
            while not seen:
                time.sleep(0.005)
            took = time.perf_counter() - start
            again.set()
            stop.set()
            for thread in (probe, *clients):
                thread.join()
            return took
    finally:
        stop.set()


def _load(port: int, process: subprocess.Popen[bytes], bodies: list[bytes], options: argparse.Namespace) -> Load:
    """Clients in a process of their own: first a while that is not counted."""
    say(f"port {port}: {options.clients} clients")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(_run_clients, (port, bodies, options.clients, WARM_UP))
        before = _work(process)
        load: Load = pool.apply(_run_clients, (port, bodies, options.clients, options.seconds))
    load.work = _work(process) - before
    return load


def _work(process: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time that a server and its processes have used."""
    server = psutil.Process(process.pid)
    return sum(sum(each.cpu_times()[:2]) for each in (server, *server.children()))


def _run_clients(port: int, bodies: list[bytes], clients: int, seconds: float) -> Load:
    stop = threading.Event()
    good: list[float] = []
    bad: list[str] = []
    threads = [threading.Thread(target=_ask, args=(port, bodies, stop, good, bad, k)) for k in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return Load(good, len(bad), time.perf_counter() - start)


def _ask(port: int, bodies: list[bytes], stop: threading.Event, good: list[float], bad: list[str], first: int) -> None:
    """One client: an image after the other over one connection, a new one after an error."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    number = first
    while not stop.is_set():
        number += 1
        start = time.perf_counter()
        try:
            connection.request("POST", "/v1/predict", bodies[number % len(bodies)], HEAD)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200 or not json.loads(content):
                raise OSError(f"status {answer.status}")
            good.append(time.perf_counter() - start)
        except (OSError, http.client.HTTPException, ValueError) as error:
            bad.append(str(error))
            connection.close()
            time.sleep(0.01)
    connection.close()


def _body(content: bytes, pictures: int | None) -> bytes:
    """A form with one image; ``pictures`` is an option that the naive server lacks."""
    parts = [b'Content-Disposition: form-data; name="images"; filename="image"\r\n\r\n' + content]
    if pictures is not None:
        parts.append(b'Content-Disposition: form-data; name="pictures"\r\n\r\n%d' % pictures)
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def _files(folder: Path) -> list[Path]:
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".png", ".jpg", ".jpeg"))
    found = [file for file in found if "masks" not in file.parts]
    if not found:
        sys.exit(f"{folder}: no PNG or JPEG image")
    return found[:: max(1, len(found) // IMAGES)][:IMAGES]


def _trained(data: Path, out: Path) -> Path:
    """A classifier at 224 pixels; how well it does plays no part."""
    from medgraft import fit, open

    say("training a model to serve")
    return fit(open(data / "labels.csv"), out=out, strategy="frozen", size=224, epochs=3, device="cpu").folder


def _exported(run: Path, out: Path) -> Path:
    """The run as ONNX, written by a process that ends, so that PyTorch's memory and threads are gone."""
    command = [sys.executable, "-c", "import sys; from medgraft.cli.main import main; sys.exit(main())"]
    subprocess.run([*command, "export", str(run), "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
    return out


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/nih_cxr"), help="images with labels.csv")
    parser.add_argument("--run", type=Path, help="the folder of a trained run (default: one is trained on --data)")
    parser.add_argument("--images", type=Path, help="a folder of images to send (default: those of --data)")
    parser.add_argument("--clients", type=int, default=16, help="clients at once")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each measurement")
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.pop("MEDGRAFT_TOKEN", None)
    main()
