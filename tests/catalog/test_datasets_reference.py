"""The page of the data sets says what the catalogue says."""

import importlib.util
from pathlib import Path

from medgraft.catalog import catalogue

ROOT = Path(__file__).parents[2]


def test_the_reference_of_the_data_sets_is_up_to_date():
    script = ROOT / "docs" / "make_datasets_reference.py"
    spec = importlib.util.spec_from_file_location("make_datasets_reference", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.PAGE.read_text(encoding="utf-8")
    assert text == module.page(), "run python docs/make_datasets_reference.py"
    assert all(f"\n## {name}\n" in text for name in catalogue())
