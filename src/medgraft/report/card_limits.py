"""What a model card must warn of, each for a reason that the run itself shows."""

from __future__ import annotations

from collections.abc import Mapping

from medgraft.errors import counted
from medgraft.report.folder import RunFolder
from medgraft.report.label_tables import groups_by_split
from medgraft.report.label_wording import FEW_IMAGES, FEW_OF_A_CLASS


def limits(run: RunFolder) -> list[str]:
    """One sentence a limit, the gravest first."""
    said = ["Not a medical device: no authority has looked at it. Do not use it for diagnosis or treatment."]
    if run.synthetic:
        said.append("The images were generated: the scores say nothing of real ones.")
    said += [*_scored(run), *_classes(run)]
    if not groups_by_split(run):
        said.append("Patients are not known, so images of one patient may be in training and test: scores may flatter.")
    if not (run.model.get("weights") or {}).get("licence") and run.model.get("weights"):
        said.append("The licence of the pretrained weights is not known; find out before passing the model on.")
    said += [
        "Scores are those of images from the same source as the training images. Another hospital, scanner or "
        "population may give others: measure them there (medgraft evaluate RUN DATA).",
        "The licence above is that of the pretrained weights; the terms of the training images may ask for more.",
    ]
    if run.task == "classification":
        said.append("It names one of its own classes for every image, also for one that shows none of them.")
    return said


def _scored(run: RunFolder) -> list[str]:
    images: Mapping[str, int] = run.data.get("splits") or {}
    if run.split is None:
        return ["It has not been scored."]
    said = []
    if run.split != "test":
        said.append("There was no test split: the scores come from images that took part in choosing the model.")
    number = int(images.get(run.split) or len(run.rows(run.split)))
    if number < FEW_IMAGES:
        said.append(f"Scored on {counted(number, 'image')} alone: go by the intervals.")
    return said


def _classes(run: RunFolder) -> list[str]:
    labels: Mapping[str, Mapping[str, int]] = run.data.get("labels") or {}
    few = {name: n for name, n in labels.get(run.split or "test", {}).items() if n < FEW_OF_A_CLASS}
    if not few:
        return []
    named = ", ".join(f"{name} ({number})" for name, number in few.items())
    return [f"Few scored images have {named}: little is known of how well these are found."]
