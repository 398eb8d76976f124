"""What is built carries what the workshop needs."""

import subprocess
import sys
from pathlib import Path

from medgraft.workshop.catalogue import EXERCISES
from medgraft.workshop.notebooks import doc_files, notebook_files

ROOT = Path(__file__).parents[2]


def test_a_built_package_carries_notebooks_pages_quizzes_and_solutions(tmp_path):
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    built = tmp_path / "medgraft" / "workshop"
    for notebook in notebook_files():
        assert (built / "material" / "workshop" / notebook.name).read_bytes() == notebook.read_bytes()
    pages = {path.relative_to(built / "material" / "docs").as_posix() for path in built.rglob("*.md")}
    assert pages == set(doc_files())
    assert "how-to/workshop.md" in pages and "workshop/03_unet.md" not in pages
    assert {f"{name.replace('-', '_')}.py" for name in EXERCISES} <= {
        one.name for one in (built / "solutions").iterdir()
    }
    assert len(list((built / "quizzes").glob("*.yaml"))) == 7  # six and their sources
    assert {one.name for one in (built / "templates").iterdir()} == {"quiz.html", "quiz_page.html"}
