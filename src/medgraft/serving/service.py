"""The work behind the API: images of a request are decoded, predicted in batches, explained and put into words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from medgraft.data import LabelClasses
from medgraft.errors import MedgraftError
from medgraft.prediction import Array
from medgraft.serving.answers import explained_class, explanation_answer, image_answer
from medgraft.serving.decoders import Decoders
from medgraft.serving.kinds import kind_of
from medgraft.serving.limits import Limits, Room
from medgraft.serving.metrics import Metrics
from medgraft.serving.model import Answer, ServedModel
from medgraft.serving.model_info import ModelInfo
from medgraft.serving.queue import BatchQueue
from medgraft.serving.refusal import RefusedError
from medgraft.serving.schema import NOTICE, LimitsAnswer
from medgraft.serving.uploads import Upload, Wanted


class Service:
    """Models with a queue each, and the processes and threads around them.

    Parameters
    ----------
    models : by the name that clients ask for; the first one is taken where none is named.
    """

    def __init__(self, models: Mapping[str, ServedModel], limits: Limits) -> None:
        self.models, self.limits = dict(models), limits
        self.metrics = Metrics()
        self.room = Room(limits.queue, limits.held_bytes)
        self.decoders = Decoders(limits)
        self._predictions: dict[str, BatchQueue[Array, Answer]] = {
            name: BatchQueue(model.predict, limits.batch, limits.patience, seen=self.metrics.batches.observe)
            for name, model in self.models.items()
        }
        self._explanations: BatchQueue[Callable[[], Array], Array] = BatchQueue(_each)
        self._answers: BatchQueue[Callable[[], dict[str, Any]], dict[str, Any]] = BatchQueue(_each, threads=2)
        self._watch()

    def start(self) -> None:
        """Start the processes, so that the first images need not wait for them."""
        self.decoders.start()

    def close(self) -> None:
        """End threads and processes."""
        self.decoders.close()
        for predictions in self._predictions.values():
            predictions.close()
        self._explanations.close()
        self._answers.close()

    def model_answers(self) -> list[dict[str, Any]]:
        """See :class:`medgraft.serving.schema.ModelAnswer`."""
        return [
            {
                "name": name,
                "task": model.info.task,
                "classes": list(model.info.class_names),
                "kind": _kind(model.info),
                "threshold": model.info.threshold,
                "size": model.info.size,
                "channels": model.info.channels,
                "encoder": model.info.encoder,
                "licence": model.info.licence,
                "temperature": model.info.temperature,
                "familiarity": model.info.familiarity is not None,
                "limits": {bound: getattr(self.limits, bound) for bound in LimitsAnswer.model_fields},
                "notice": NOTICE,
            }
            for name, model in self.models.items()
        ]

    async def predict(self, wanted: Wanted) -> dict[str, Any]:
        """See :class:`medgraft.serving.schema.PredictAnswer`; raises RefusedError where no image can be used."""
        name = self._named(wanted.model)
        threshold = self.models[name].info.threshold if wanted.threshold is None else wanted.threshold
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._outcome(name, image, threshold, wanted)) for image in wanted.images]
        outcomes = [task.result() for task in tasks]
        results = [result for _, result in outcomes]
        faults = {status for status, _ in outcomes if status != 200}
        self.metrics.images.labels("answered").inc(sum(status == 200 for status, _ in outcomes))
        self.metrics.images.labels("refused").inc(sum(status != 200 for status, _ in outcomes))
        if all(status != 200 for status, _ in outcomes):
            status = faults.pop() if len(faults) == 1 else 422
            sentence = results[0]["error"] if len(results) == 1 else "None of these images can be used."
            raise RefusedError(status, sentence, results=results)
        return {"model": name, "threshold": threshold, "notice": NOTICE, "results": results}

    def _named(self, name: str | None) -> str:
        if name is None:
            return next(iter(self.models))
        if name not in self.models:
            raise RefusedError(422, "There is no model of that name; /v1/models lists those that there are.")
        return name

    async def _outcome(self, name: str, image: Upload, threshold: float, wanted: Wanted) -> tuple[int, dict[str, Any]]:
        """The status and the result of one image."""
        try:
            found = await self._result(name, image, threshold, wanted)
        except RefusedError as refused:
            return refused.status, {"name": image.name, "error": refused.sentence}
        return 200, {"name": image.name} | found

    async def _result(self, name: str, image: Upload, threshold: float, wanted: Wanted) -> dict[str, Any]:
        if image.error:
            raise RefusedError(422, image.error)
        kind_of(image.content)
        model = self.models[name]
        info = model.info
        decoded = await self.decoders.decode(image.content, info.size, info.channels, info.window, wanted.pictures)
        answer = await self._predictions[name].ask(decoded.pixels)
        said = await self._answers.ask(partial(image_answer, info, decoded, answer, threshold, wanted.pictures))
        if wanted.explain:
            index = explained_class(info, answer.prediction, threshold)
            plane = await self._explanations.ask(partial(model.explain, decoded.pixels, index))
            said |= await self._answers.ask(partial(explanation_answer, info, decoded, index, plane))
        return said

    def _watch(self) -> None:
        watch = self.metrics.watch
        watch("medgraft_images_in_work", "Images in work or waiting.", lambda: self.room.images)
        watch("medgraft_room_images", "Images that there is room for.", lambda: self.limits.queue)
        watch("medgraft_held_bytes", "Bytes of requests in memory.", lambda: self.room.content)
        watch(
            "medgraft_queue_depth",
            "Images that wait for a model.",
            lambda: sum(len(queue) for queue in self._predictions.values()),
        )
        watch("medgraft_decode_depth", "Images that wait to be decoded.", lambda: len(self.decoders.waiting))


def _each(calls: list[Callable[[], Any]]) -> list[Any]:
    return [call() for call in calls]


def _kind(info: ModelInfo) -> str:
    """How probabilities become an answer, for labels and masks alike."""
    if isinstance(info.classes, LabelClasses):
        return info.classes.kind
    return "binary" if info.classes.count == 2 else "multiclass"


def by_name(models: list[ServedModel]) -> dict[str, ServedModel]:
    """Models by the names of their runs; a name that comes again gets a number. Raises MedgraftError for no model."""
    if not models:
        raise MedgraftError("there is no model to serve.")
    named: dict[str, ServedModel] = {}
    for model in models:
        name, number = model.info.name, 1
        while name in named:
            number += 1
            name = f"{model.info.name}-{number}"
        named[name] = model
    return named
