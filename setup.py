"""Puts the notebooks and the pages of docs/ into the package that is built; all else is said in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithNotebooks(build_py):
    """Copies them to medgraft/workshop/material, from where `medgraft workshop start` takes them.

    They lie at the root of the repository, where readers look for them, and once only. An editable install has no copy
    and reads them there.
    """

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "medgraft" / "workshop" / "material"
        notebooks = sorted(Path("workshop").glob("[0-9][0-9]_*.ipynb"))
        pages = [page for page in sorted(Path("docs").rglob("*.md")) if page.parent.name != "workshop"]
        for source in notebooks + pages:
            self.mkpath(str(target / source.parent))
            self.copy_file(str(source), str(target / source))


setup(cmdclass={"build_py": BuildWithNotebooks})
