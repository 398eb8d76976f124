"""TensorBoard: event files in the run's own folder, so that ``tensorboard --logdir runs`` shows every run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medgraft.tracking.tracker import Papers, Place, Value

FOLDER = "tensorboard"
"""In the run's folder."""


class TensorBoard:
    """Scalars by epoch, the recipe as a text and, at the end, as hyperparameters beside the scores."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.where = str(folder / FOLDER)
        self.config: dict[str, Any] = {}
        self.tracker: Any = None

    def begin(self, name: str, config: Mapping[str, Value], before: Place | None) -> Place:
        """Open a new event file; of those that are there, TensorBoard drops the steps that come again."""
        from accelerate.tracking import TensorBoardTracker

        known = before is not None and (self.folder / FOLDER).is_dir()
        place = before if known and before is not None else Place(FOLDER)
        self.config = {key: "" if value is None else value for key, value in config.items()}
        options = {"purge_step": place.epochs + 1} if known else {}
        self.tracker = TensorBoardTracker(FOLDER, self.folder, **options)
        self.tracker.start()
        if not known:
            self.tracker.log({"recipe": _table(name, config)})
        return place

    def epoch(self, number: int, figures: Mapping[str, float]) -> None:
        """Scalars at the step ``number``."""
        self.tracker.log(dict(figures), step=number)

    def end(self, number: int, scores: Mapping[str, float], papers: Papers) -> None:
        """Scores as scalars at the last step, and in the table of hyperparameters; files stay where they are."""
        from torch.utils.tensorboard.summary import hparams

        self.tracker.log(dict(scores), step=number)
        values = {name: value for name, value in scores.items() if name.endswith("/value")}
        # accelerate and SummaryWriter.add_hparams write these to a folder of their own, which then looks like a run.
        for summary in hparams(self.config, values):
            self.tracker.writer.file_writer.add_summary(summary)
        self.tracker.finish()

    def stop(self) -> None:
        """Close the event file."""
        self.tracker.finish()


def _table(name: str, config: Mapping[str, Value]) -> str:
    """The options as a table in Markdown, which TensorBoard shows."""
    rows = "".join(f"| {key} | {'' if value is None else value} |\n" for key, value in config.items())
    return f"{name}\n\n| option | value |\n|---|---|\n{rows}"
