"""Writes the notebooks that learners get (``NN_name.ipynb``) from their text (``NN_name.py``): ``make notebooks``."""

from pathlib import Path

from medgraft.files import write_text
from medgraft.workshop.notebooks import learner_notebook

HERE = Path(__file__).parent


def texts() -> list[Path]:
    """The notebooks as text, in their order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


if __name__ == "__main__":
    for path in texts():
        write_text(path.with_suffix(".ipynb"), learner_notebook(path).to_ipynb())
