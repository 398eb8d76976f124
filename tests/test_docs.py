"""The pages say what the code does: the reference is up to date, code compiles, commands parse, links lead somewhere.

A fence ```` ```python skip ```` leaves a block out of these tests.
"""

import argparse
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from medgraft.cli.main import COMMANDS, main
from medgraft.cli.options import chosen_options
from medgraft.recipe import Recipe

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page, language):
    """Text of each fenced block of a language, indented ones too."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [text for _, text in found]


def commands(page):
    """Every medgraft command: lines of shell blocks (joined at a backslash), and inline code with a command in it."""
    lines = []
    for language in ("sh", "console", "bash"):
        for block in blocks(page, language):
            lines += [line.strip().removeprefix("$ ") for line in block.replace("\\\n", " ").splitlines()]
    outside = re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    lines += [text for text in re.findall(r"`([^`\n]+)`", outside) if re.match(r"medgraft .*--", text)]
    found = []
    for line in lines:
        words = shlex.split(line, comments=True)
        if "medgraft" in words:
            words = words[words.index("medgraft") + 1 :]
            found.append(words[: words.index(">")] if ">" in words else words)
    return found


def outcome(words, monkeypatch):
    """The exit code of a command whose work is left out: it parses its options and, for fit, makes a recipe of them."""

    def work(arguments):
        if arguments.command == "fit":
            Recipe.make(**chosen_options(arguments))

    for name in COMMANDS:
        monkeypatch.setattr(importlib.import_module(f"medgraft.cli.{name}"), "run", work)
    return main(words)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_blocks_compile(page):
    for text in blocks(page, "python"):
        compile(text, str(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_parse(page, monkeypatch, capsys):
    for words in commands(page):
        code = outcome(words, monkeypatch)
        assert code == 0, f"medgraft {shlex.join(words)}: {capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_recipes_load(page, tmp_path):
    for number, text in enumerate(blocks(page, "yaml")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        Recipe.load(path)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files(page):
    for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_options_named_in_text_exist(page):
    known = known_options()
    for option in re.findall(r"`(--[a-z][a-z.-]*)[` ]", page.read_text(encoding="utf-8")):
        assert option in known, option


def known_options():
    """Options of every command."""
    found = {"--help", "--version"}
    for name in COMMANDS:
        parser = argparse.ArgumentParser()
        importlib.import_module(f"medgraft.cli.{name}").add_arguments(parser)
        found |= set(re.findall(r"--[a-z][a-z.-]*", parser.format_help()))
    return found


def test_the_reference_of_the_recipe_is_up_to_date():
    script = ROOT / "docs" / "make_recipe_reference.py"
    spec = importlib.util.spec_from_file_location("make_recipe_reference", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run python docs/make_recipe_reference.py"


def test_the_pages_hold_blocks_and_commands():
    """So that a change of the fences' form cannot leave the tests above with nothing to test."""
    assert sum(len(blocks(page, "python")) for page in PAGES) >= 8
    assert sum(len(blocks(page, "yaml")) for page in PAGES) >= 3
    assert sum(len(commands(page)) for page in PAGES) >= 25


@pytest.mark.parametrize("words", [["--no-such-option", "3"], ["--size", "7"]])
def test_a_wrong_command_is_found(words, monkeypatch):
    assert outcome(["fit", "lesions/", *words], monkeypatch) == 2
