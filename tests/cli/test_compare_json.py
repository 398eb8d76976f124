"""What ``compare --json`` prints is JSON, undefined values too."""

import json
import math

from medgraft.cli.compare import _defined


def test_undefined_values_become_null():
    plain = {"n": 1, "runs": [{"scores": {"dice": {"value": 0.5, "low": math.nan}}}], "names": ["a"]}
    text = json.dumps(_defined(plain), allow_nan=False)
    assert json.loads(text) == {"n": 1, "runs": [{"scores": {"dice": {"value": 0.5, "low": None}}}], "names": ["a"]}
