"""MLflow: a run on the server that ``MLFLOW_TRACKING_URI`` names, or in the folder ``mlruns``.

Through MLflow's client rather than accelerate's tracker: that one works on the one active run of the process, which may
be the user's own, and asks a server that is gone for minutes on end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medgraft.tracking.figures import without_password
from medgraft.tracking.tracker import PROJECT, Papers, Place, Value

FOLDER = "mlruns"
"""In the working folder, as of MLflow itself."""

SETTINGS = {
    # Newer versions refuse folders unless told to; databases need more than mlflow-skinny brings.
    "MLFLOW_ALLOW_FILE_STORE": "true",
    # A server that is gone may hold up a training once, and not for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Settings of MLflow while medgraft calls it, where the user has not set them."""

_LONGEST = 6000
"""Characters of a parameter."""
_PARAMETERS, _METRICS = 100, 1000
"""In one request, at most."""
_LAST = "epoch"
"""A metric that is written after the others of an epoch: where it is, the epoch is whole."""


class MLflow:
    """Options as parameters, figures as metrics with the epoch as step, the report as artefact."""

    def __init__(self) -> None:
        self.where = ""
        self.run = ""
        self.client: Any = None

    def begin(self, name: str, config: Mapping[str, Value], before: Place | None) -> Place:
        """Make a run in the experiment, or open the one that is there again."""
        with _settings():
            from mlflow import MlflowClient

            address = _address()
            self.client = MlflowClient(tracking_uri=address)
            self.where = without_password(address)
            # A run may have been made, and the server gone before it had its parameters.
            known = before or (Place(self.run) if self.run else None)
            found = self._found(known.id) if known is not None else None
            if known is not None and found is not None:
                place = Place(known.id, max(known.epochs, self._epochs_of(known.id)))
                self.client.update_run(known.id, status="RUNNING")
            else:
                tags = {"mlflow.source.name": PROJECT}
                found = self.client.create_run(self._experiment(), run_name=name, tags=tags)
                place = Place(str(found.info.run_id))
            self.run = place.id
            if not found.data.params:
                self._parameters(config)
            return place

    def epoch(self, number: int, figures: Mapping[str, float]) -> None:
        """Metrics at the step ``number``."""
        with _settings():
            self._metrics({**figures, _LAST: number}, number)

    def end(self, number: int, scores: Mapping[str, float], papers: Papers) -> None:
        """Scores as metrics at the last step, then the files, then the state "finished"."""
        with _settings():
            self._metrics(scores, number)
            for paper in papers():
                self.client.log_artifact(self.run, str(paper))
            self.client.set_terminated(self.run, "FINISHED")

    def stop(self) -> None:
        """The state "killed", until the run is resumed."""
        with _settings():
            self.client.set_terminated(self.run, "KILLED")

    def _found(self, run: str) -> Any:
        """What the store has of a run; None where it does not know it (any more)."""
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_run(run)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return found if found.info.lifecycle_stage == "active" else None

    def _epochs_of(self, run: str) -> int:
        return max((int(metric.step) for metric in self.client.get_metric_history(run, _LAST)), default=0)

    def _experiment(self) -> str:
        named = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
        if chosen := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return chosen
        known = self.client.get_experiment_by_name(named)
        return str(self.client.create_experiment(named) if known is None else known.experiment_id)

    def _parameters(self, config: Mapping[str, Value]) -> None:
        from mlflow.entities import Param

        parameters = [Param(key, str(value)[:_LONGEST]) for key, value in config.items()]
        for start in range(0, len(parameters), _PARAMETERS):
            self.client.log_batch(self.run, params=parameters[start : start + _PARAMETERS])

    def _metrics(self, figures: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(key, float(value), now, step) for key, value in figures.items()]
        for start in range(0, len(metrics), _METRICS):
            self.client.log_batch(self.run, metrics=metrics[start : start + _METRICS])


def _address() -> str:
    """Where MLflow was told to keep runs, by its variable or in the program; else the folder ``mlruns``."""
    import mlflow

    return str(mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else Path(FOLDER).absolute().as_uri())


@contextmanager
def _settings() -> Iterator[None]:
    """MLflow reads its settings anew at every call; they are put back, as the program may use MLflow for itself."""
    missing = [name for name in SETTINGS if name not in os.environ]
    os.environ.update({name: SETTINGS[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)
