"""The page in a real browser, over a server in a thread; after each test comes what the browser objected to."""

from __future__ import annotations

import base64
import contextlib
import io
import socket
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Page

import chromium
from medgraft.serving.app import create_app
from medgraft.serving.limits import Limits

browser = chromium.browser
WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', event => window.violations.push(event.violatedDirective));
"""


class _Server(uvicorn.Server):
    def __init__(self, config):
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.up.set()


@contextlib.contextmanager
def _served(app):
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert server.up.wait(60)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    listening.close()


@pytest.fixture(scope="module")
def serve(tiny_models):
    """Make a server, once for each set of options; returns its address. Models: 0 labels, 1 masks, 2 two structures."""
    with contextlib.ExitStack() as stack:
        made = {}

        def make(*models, token=None, **limits):
            key = (models, token, *limits.items())
            if key not in made:
                app = create_app([tiny_models[index] for index in models], Limits(**limits), token)
                made[key] = stack.enter_context(_served(app))
            return made[key]

        yield make


@dataclass
class Visit:
    """A page and what came of it."""

    page: Page
    address: str
    requests: list = field(default_factory=list)
    said: list = field(default_factory=list)

    @property
    def predictions(self):
        return [request for request in self.requests if request.url.endswith("/v1/predict")]

    def add(self, *files):
        """Choose files, each (name, content)."""
        payloads = [{"name": name, "mimeType": "", "buffer": content} for name, content in files]
        self.page.set_input_files("#files", payloads)

    def overlay(self):
        """What lies over the image, [height, width, 4]: red, green, blue and opacity."""
        self.drawn()
        address = self.page.evaluate("() => document.getElementById('overlay').toDataURL()")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))

    def drawn(self):
        """Wait until what was asked for is painted: the frame after the next has begun."""
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))"
        )


@pytest.fixture
def visit(browser):
    """Open a page: ``visit(address, expected=(...), **options of the browser's context)``.

    At the end: nothing was asked of another origin, no rule of the server's policy was broken, and the browser said
    nothing on its console but sentences that hold one of ``expected``.
    """
    opened = []

    def open_page(address, expected=(), wait=True, **options):
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 800}} | options)
        context.add_init_script(WATCH)
        page = context.new_page()
        page.set_default_timeout(30_000)
        visit = Visit(page, address)
        page.on("request", lambda request: visit.requests.append(request))
        page.on("console", lambda message: visit.said.append(message.text))
        page.on("pageerror", lambda error: visit.said.append(str(error)))
        page.goto(address)
        if wait:
            page.locator("#choose:enabled").wait_for()
        opened.append((visit, expected, context))
        return visit

    yield open_page
    for visit, expected, context in opened:
        assert [r.url for r in visit.requests if not r.url.startswith((visit.address, "blob:", "data:"))] == []
        assert visit.page.evaluate("() => window.violations") == []
        assert [text for text in visit.said if not any(part in text for part in expected)] == []
        context.close()
