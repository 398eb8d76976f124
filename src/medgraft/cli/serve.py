"""``medgraft serve``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

DESCRIPTION = """Serve models: a web page for people, and an API for programs.

A run is exported first where it is not yet (see export). Nothing leaves this
machine, no upload is kept, and only this machine is answered unless a token is
set. For research only: this is not a medical device.
"""

EXAMPLES = """examples:
  open http://127.0.0.1:8000 and drop an image on the page
    medgraft serve runs/xrays
  two models, one of them exported on another machine
    medgraft serve runs/xrays lesions.onnx --port 8080
  for others on the network, behind a proxy that speaks TLS
    MEDGRAFT_TOKEN=... medgraft serve model.onnx --host 0.0.0.0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The models, the address, the limits."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument(
        "models", type=Path, nargs="+", metavar="RUN", help="folders of trained runs, or exported files"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine alone)")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="port to listen at (default: 8000)")
    parser.add_argument("--token", help="what clients have to show; rather set MEDGRAFT_TOKEN, as all users of a "
                        "machine see its commands")  # fmt: skip
    bounds = parser.add_argument_group("limits")
    bounds.add_argument("--queue", type=int, metavar="N", help="images in work or waiting (default: 64)")
    bounds.add_argument("--max-images", type=int, metavar="N", help="images in a request (default: 16)")
    bounds.add_argument("--max-pixels", type=int, metavar="N", help="pixels of an image (default: 32000000)")
    bounds.add_argument("--max-bytes", type=int, metavar="N", help="bytes of a request (default: 67108864)")


def run(arguments: argparse.Namespace) -> None:
    """Load the models and serve them until Ctrl-C."""
    try:
        import fastapi
        import prometheus_client
        import python_multipart
        import uvicorn
    except ImportError as error:
        from medgraft.errors import EngineError

        raise EngineError(f"{error.name} is not installed; pip install 'medgraft[serve]'") from None
    del fastapi, prometheus_client, python_multipart, uvicorn
    from medgraft.serving.app import create_app
    from medgraft.serving.files import exported_file
    from medgraft.serving.limits import Limits
    from medgraft.serving.model import ServedModel
    from medgraft.serving.server import address_of, listen, serve

    given = {name: getattr(arguments, name) for name in ("queue", "max_images", "max_pixels", "max_bytes")}
    limits = Limits(**{name: value for name, value in given.items() if value is not None})
    token = arguments.token or os.environ.get("MEDGRAFT_TOKEN") or None
    with listen(arguments.host, arguments.port, token) as listening:
        found = [exported_file(path) for path in arguments.models]
        files = [file or _exported(path) for file, path in zip(found, arguments.models, strict=True)]
        models = [ServedModel.load(file) for file in files]
        app = create_app(models, limits, token)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)

        def ready() -> None:
            served = ", ".join(app.state.service.models)
            print(f"serving {served} at {address_of(listening)}   Ctrl-C ends it", flush=True)

        try:
            serve(app, listening, ready)
        except KeyboardInterrupt:
            print("stopped.", file=sys.stderr)


def _exported(run: Path) -> Path:
    """The exported file of a run, which is written now. Only here is PyTorch loaded, which takes seconds."""
    from medgraft.pipeline.serving import export_for_serving
    from medgraft.progress import Terminal

    terminal = Terminal(sys.stderr)
    try:
        return export_for_serving(run, terminal)
    finally:
        terminal.close()
