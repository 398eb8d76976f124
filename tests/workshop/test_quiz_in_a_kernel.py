"""A quiz in a real kernel of Jupyter: widgets where somebody sits in front of it, the form where nobody does."""

import os
import sys

import pytest
from jupyter_client import KernelManager


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    home = str(tmp_path_factory.mktemp("home"))
    manager = KernelManager()
    manager.kernel_spec.argv[0] = sys.executable
    places = os.pathsep.join(place for place in sys.path if place)
    manager.start_kernel(cwd=home, env=os.environ | {"PYTHONPATH": places, "MEDGRAFT_WORKSHOP": home})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def _run(client, code, allow_stdin):
    """What a cell shows: (kind, content) in order."""
    messages = []
    client.execute_interactive(code, allow_stdin=allow_stdin, output_hook=messages.append, timeout=120)
    kinds = ("display_data", "stream", "error", "execute_result")
    return [(m["msg_type"], m["content"]) for m in messages if m["msg_type"] in kinds]


WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.mark.parametrize(("allow_stdin", "kinds"), [(True, {WIDGET, "text/html", "text/plain"}),
                                                    (False, {"text/html", "text/plain"})])  # fmt: skip
def test_a_cell_shows_what_can_be_answered_there(kernel, allow_stdin, kinds):
    shown = _run(kernel, "from medgraft.workshop import quiz\nquiz('when-it-helps')", allow_stdin)
    assert [kind for kind, _ in shown] == ["display_data"]  # and no prompt, no error, no value beside it
    assert set(shown[0][1]["data"]) == kinds


def test_progress_prints_in_a_cell(kernel):
    ((kind, content),) = _run(kernel, "from medgraft.workshop import progress\nprogress()", True)
    assert kind == "stream"
    assert "when-it-helps" in content["text"]
