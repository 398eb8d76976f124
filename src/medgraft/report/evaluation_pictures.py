"""Pictures of an evaluation of masks: the images with the highest, the middle and the lowest Dice."""

from __future__ import annotations

from medgraft.data.masks import MaskClasses
from medgraft.report.evaluation_folder import EvaluationFolder
from medgraft.report.pictures import Picture, choose_cases, draw_case, encoded, inlined, labelled, load_case
from medgraft.report.rendering import write_bytes
from medgraft.report.tables import window_of

Cases = list[tuple[str, str, list[Picture]]]


def mask_pictures(found: EvaluationFolder) -> Cases:
    """Heading, a sentence, and pictures of the best, the median and the worst images; none where no mask was kept."""
    rows, classes = found.run.rows(found.split), MaskClasses.from_dict(found.findings["model"]["classes"])
    if "dice" not in rows or not any((found.masks / "predictions").rglob("*.png")):
        return []
    cases = []
    for key, chosen in sorted(choose_cases(rows).items(), key=lambda item: ("best", "median", "worst").index(item[0])):
        pictures = [
            _picture(found, dict(row), classes, f"{key}-{k}") for k, (_, row) in enumerate(chosen.iterrows(), 1)
        ]
        if pictures:
            cases.append((key.capitalize(), "", pictures))
    return cases


def _picture(found: EvaluationFolder, row: dict[str, object], classes: MaskClasses, name: str) -> Picture:
    caption = f"Dice {row['dice']:.3f} · {row['id']}"
    case = load_case(row, [(found.masks, classes)], window=window_of(found.run))
    if isinstance(case, str):
        return Picture(caption, "", problem=case)
    pixels = labelled(draw_case(case), found.run.synthetic)
    write_bytes(found.path / "figures" / f"{name}.png", encoded(pixels, "png"))
    alt = f"Image {row['id']}, reference outlined solid and prediction dashed, Dice {row['dice']:.3f}"
    return Picture(caption, alt, inlined(pixels))
