"""Weights & Biases: offline in the folder ``wandb``, unless ``WANDB_MODE`` says that runs may leave the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medgraft.tracking.tracker import PROJECT, Papers, Place, Value

SECONDS = 30.0
"""How long a server may take to answer at the start."""


class WandB:
    """Options as config, figures by step, scores as summary, the report as artefact."""

    def __init__(self) -> None:
        self.where = ""
        self.tracker: Any = None

    def begin(self, name: str, config: Mapping[str, Value], before: Place | None) -> Place:
        """Start a run, or go on with the one of that id.

        By itself wandb would keep the command with its paths, the machine's name and all that is printed; it is told
        to keep nothing of these.
        """
        import wandb
        from accelerate.tracking import WandBTracker

        mode = os.environ.get("WANDB_MODE") or "offline"
        settings = wandb.Settings(
            silent=True,
            console="off",
            disable_code=True,
            disable_git=True,
            disable_job_creation=True,
            host=PROJECT,
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            init_timeout=SECONDS,
            reinit="create_new",
        )
        self.tracker = WandBTracker(
            os.environ.get("WANDB_PROJECT") or PROJECT,
            name=os.environ.get("WANDB_NAME") or name,
            id=before.id if before is not None else None,
            resume="allow",
            config=dict(config),
            mode=mode,
            settings=settings,
        )
        self.tracker.start()
        run = self.tracker.run
        self.where = str(run.url) if mode == "online" else f"{mode}, {Path(run.dir).parent}"
        return before or Place(str(run.id))

    def epoch(self, number: int, figures: Mapping[str, float]) -> None:
        """Figures at the step ``number``."""
        self.tracker.log(dict(figures), step=number)

    def end(self, number: int, scores: Mapping[str, float], papers: Papers) -> None:
        """Scores into the summary, the files as an artefact; waits until all is written (online: sent)."""
        import wandb

        run = self.tracker.run
        run.summary.update(dict(scores))
        artefact = wandb.Artifact(f"report-{run.id}", type="report")
        for paper in papers():
            artefact.add_file(str(paper))
        run.log_artifact(artefact)
        self.tracker.finish()

    def stop(self) -> None:
        """Close the run as one that broke off."""
        self.tracker.run.finish(exit_code=1)
