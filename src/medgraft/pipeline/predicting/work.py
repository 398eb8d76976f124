"""The work of a prediction: from units of pictures to their files and rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from medgraft.data import MaskClasses
from medgraft.errors import DataError
from medgraft.evaluation import save_mask
from medgraft.inference import Answer, Answerer, Seen, batches, stream
from medgraft.pipeline.predicting.dicom import save_segmentation
from medgraft.pipeline.predicting.inputs import Picture
from medgraft.pipeline.predicting.journal import Journal
from medgraft.pipeline.predicting.pictures import save_overlay
from medgraft.pipeline.predicting.rows import Row, label_row, mask_row
from medgraft.pipeline.predicting.units import Unit
from medgraft.pipeline.predicting.volume import save_volume
from medgraft.prediction import Array, Prediction
from medgraft.progress import Observer

_ENDINGS = {"png": ".png", "nifti": ".nii.gz", "dicom": ".dcm"}


class _Done(NamedTuple):
    """A picture's row, what is said of it, and its classes [H, W] where its mask waits for those of other slices."""

    row: Row
    sentence: str
    classes: Array | None


class Work:
    """From units of pictures to files and rows.

    Parameters
    ----------
    out : the folder for the files.
    overlays : whether the image with the outline of its mask is written.
    run : the name of the run.
    seed : stands for the models and all options; see :func:`save_segmentation`.
    """

    def __init__(self, answerer: Answerer, out: Path, overlays: bool, run: str, seed: str, observer: Observer) -> None:
        self.answerer, self.out, self.overlays, self.observer = answerer, out, overlays, observer
        self.run, self.seed = run, seed
        self.waiting: deque[Unit] = deque()
        self.places: dict[str, tuple[Picture, Unit]] = {}

    def through(self, units: Iterator[Unit], journal: Journal, total: int) -> tuple[dict[str, Row], dict[str, str]]:
        """Do all units; rows by address, and errors by address."""
        rows: dict[str, Row] = {}
        failed: dict[str, str] = {}
        results: list[_Done | DataError] = []
        for batch in stream(self.answerer, self._batches(units, journal, rows), self._finish):
            results += batch
            unit = self.waiting[0]
            self.observer.working("predicting", len(rows) + len(failed) + len(results), total)
            if len(results) < len(unit.pictures):
                continue
            self._conclude(self.waiting.popleft(), results, journal, rows, failed)
            results = []
        return rows, failed

    def _batches(self, units: Iterator[Unit], journal: Journal, rows: dict[str, Row]) -> Iterator[list[Any]]:
        """The pictures of the units that are not done yet, in batches of which none is of two units."""
        for unit in units:
            known = journal.rows_of(unit.addresses)
            if known is not None:
                rows |= {row["image"]: row for row in known}
                continue
            self.waiting.append(unit)
            self.places |= {picture.address: (picture, unit) for picture in unit.pictures}
            yield from [unit.addresses] if unit.form == "png" else batches(unit.addresses)

    def _finish(self, image: Any, seen: Seen, answer: Answer) -> _Done | DataError:
        """Write what is a picture's own; called in a thread."""
        picture, unit = self.places[str(image)]
        try:
            picture.address.encode()
        except UnicodeEncodeError:  # no table could hold it
            return DataError(f"{picture.address}: this name of a file is no text in UTF-8; rename it.")
        prediction = answer.prediction
        if not isinstance(prediction, Prediction):
            return _Done(label_row(picture.address, answer), f"{picture.address}: {prediction}", None)
        if self.overlays:
            save_overlay(self.out / f"{picture.name}_overlay.png", seen.pixels, prediction)
        name = mask_name(unit, picture)
        assert isinstance(self.answerer.classes, MaskClasses)
        row = mask_row(picture.address, name, answer, self.answerer.classes)
        if unit.form == "png":
            save_mask(self.out / name, prediction.mask)
            return _Done(row, str(self.out / name), None)
        return _Done(row, "", prediction.classes)

    def _conclude(
        self,
        unit: Unit,
        results: Sequence[_Done | DataError],
        journal: Journal,
        rows: dict[str, Row],
        failed: dict[str, str],
    ) -> None:
        """Write what the pictures of a unit share, and note that they are done."""
        done = [result for result in results if isinstance(result, _Done)]
        wrong = {a: str(r) for a, r in zip(unit.addresses, results, strict=True) if isinstance(r, DataError)}
        for address in unit.addresses:
            del self.places[address]
        if unit.form != "png" and done and not wrong:
            try:
                self._save_whole(unit, [result.classes for result in done if result.classes is not None])
            except DataError as error:
                wrong = dict.fromkeys(unit.addresses, str(error))
        elif wrong and unit.form != "png":
            # Of a volume or series there is one mask or none.
            wrong = dict.fromkeys(unit.addresses, next(iter(wrong.values())))
        failed |= wrong
        kept = [result for result in done if result.row["image"] not in wrong]
        rows |= {result.row["image"]: result.row for result in kept}
        for sentence in dict.fromkeys(result.sentence for result in kept if result.sentence):
            self.observer.say(sentence)
        if not wrong:
            journal.add([result.row for result in kept])

    def _save_whole(self, unit: Unit, found: Sequence[Array]) -> None:
        classes = self.answerer.classes
        assert isinstance(classes, MaskClasses)
        path = self.out / mask_name(unit, unit.pictures[0])
        if unit.form == "nifti":
            save_volume(path, unit.addresses, [classes.decode(one) for one in found])
        else:
            save_segmentation(path, unit.addresses, found, classes, self.run, self.seed)
        self.observer.say(str(path))


def mask_name(unit: Unit, picture: Picture) -> str:
    """The file of a picture's mask, relative to the folder of the predictions."""
    name = picture.name if unit.form == "png" else unit.name
    return f"{name}_mask{_ENDINGS[unit.form]}"
