"""sources: the same target from several pretraining sources, as a study of pretrained encoders on equal terms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medgraft.data import Manifest
from medgraft.errors import RecipeError, RunError, counted, listing
from medgraft.pipeline.extraction import solves
from medgraft.pipeline.folders import settle as settled_recipe
from medgraft.pipeline.prepare import complete, open_for
from medgraft.progress import Observer, Terminal
from medgraft.recipe import Recipe
from medgraft.studies.cell import ALL
from medgraft.studies.conduct import study
from medgraft.studies.desk import Desk
from medgraft.studies.folder import Study
from medgraft.studies.foretold import foretell_cells, keep_foretold, kept_foretold
from medgraft.studies.runner import Runner
from medgraft.studies.source_names import elsewhere, read_names, sources_at_hand

INIT = "WT"
STRATEGY = "frozen"
LEAST = 2


def sources(
    data: str | Path | Manifest,
    recipe: Recipe | str | Path | None = None,
    *,
    encoder: Sequence[str] | str | None = None,
    strategy: str | None = None,
    n: Sequence[int | str] | int | str | None = None,
    seeds: int | Sequence[int] | None = None,
    lr_grid: Sequence[float] | None = None,
    metric: str | None = None,
    jobs: int = 1,
    out: str | Path | None = None,
    resume: bool = False,
    runner: Runner | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Study:
    """Train the same target from several pretraining sources under one budget, and score beforehand what they promise.

    It is a :func:`~medgraft.studies.study` of pretrained weights alone: the same split, images, input size, epochs and
    learning rates for all. Then each source's transferability is scored on the training images of its cells; test
    images take no part in that. The report ranks the sources beside these scores.

    Parameters
    ----------
    data, recipe, n, lr_grid, metric, jobs, runner, observer, options : as :func:`~medgraft.studies.study` takes them.
    encoder : the sources, ``NAME`` or ``NAME@WEIGHTS`` (a file, ``hf-hub:OWNER/NAME``, ``medical:NAME``); default: all
        whose weights are at hand without a network.
    strategy : default: frozen.
    seeds : default: 3; 1 where a head is solved at once on all images, as every seed then gives the same.
    out : the folder (default ``sources/DATA``).
    resume : go on with the comparison in that folder; sources may be added.

    Raises
    ------
    MedgraftError
        As :func:`~medgraft.studies.study`; also for fewer than two sources, for one that is unknown, or whose file
        is not there. One that turns out not to load fails alone.

    Examples
    --------
    >>> found = sources("xrays/", ["tf_efficientnet_lite0", "resnet50@mine.safetensors"])  # doctest: +SKIP
    >>> found.page  # doctest: +SKIP
    """
    observer = observer or Terminal()
    settled = settled_recipe(recipe, options)
    _refuse_contradictions(settled)
    named = read_names((encoder,) if isinstance(encoder, str) else tuple(encoder or ()))
    try:
        manifest = open_for(data, settled, Observer())
        place = Path(out) if out else Path("sources") / manifest.name
        strategy = strategy or (settled.strategy if "strategy" in settled.chosen() else None)
        if not resume:
            named = _enough(named or _chosen_for_user(observer))
            strategy = strategy or STRATEGY
            seeds = _seeds(seeds, settled, strategy, n, manifest)
        else:
            _refuse_other_study(Study(place))
            manifest = open_for(data, Study(place).plan.recipe, Observer())
        found = study(
            data, settled, encoder=named or None, init=None if resume else INIT, strategy=strategy, n=n, seeds=seeds,
            lr_grid=lr_grid, metric=metric, jobs=jobs, out=place, resume=resume, runner=runner, ending=_finish,
            observer=observer,
        )  # fmt: skip
    finally:
        observer.close()
    return found


def _chosen_for_user(observer: Observer) -> tuple[str, ...]:
    """All that are at hand, said with how to get others."""
    found = tuple(sources_at_hand())
    observer.say(f"sources at hand: {listing(found) or 'none'}\n  {elsewhere()}")
    return found


def _enough(named: tuple[str, ...]) -> tuple[str, ...]:
    if len(named) < LEAST:
        there = f"only {named[0]} is" if named else "none is"
        raise RecipeError(
            f"sources: {LEAST} or more are wanted to compare, and {there} named or at hand. {elsewhere()}"
        )
    return named


def _seeds(
    seeds: int | Sequence[int] | None,
    recipe: Recipe,
    strategy: str,
    n: Sequence[int | str] | int | str | None,
    manifest: Manifest,
) -> int | Sequence[int] | None:
    """One where nothing is left to a seed: a linear head solved on one view of all training images."""
    if seeds is not None or strategy != "frozen":
        return seeds
    sizes = [ALL] if n is None else [n] if isinstance(n, int | str) else list(n)
    whole = {str(size).lower() for size in sizes} == {ALL}
    own = complete(Recipe.make(recipe, strategy=strategy), manifest)
    return 1 if whole and solves(own) and own.views in (None, 1) else None


def _refuse_contradictions(recipe: Recipe) -> None:
    if recipe.init not in (None, INIT):
        raise RecipeError(f"init: sources are compared by their weights ({INIT}), not by {recipe.init}; leave it out, "
                          "or compare initialisations with medgraft study.")  # fmt: skip
    if recipe.weights is not None:
        raise RecipeError("weights: each source has its own; name them behind the encoder, as NAME@WEIGHTS.")


def _refuse_other_study(begun: Study) -> None:
    """Raise RunError for a study of initialisations, which has no ranking of sources."""
    if begun.plan.grid.inits != (INIT,) or len(begun.plan.grid.encoders) < LEAST:
        grid = begun.plan.grid
        raise RunError(
            f"{begun.folder} is a study of {counted(len(grid.inits), 'initialisation')} and "
            f"{counted(len(grid.encoders), 'encoder')}, and no comparison of sources; go on with medgraft study DATA "
            "--resume, or begin a comparison with another --out."
        )


def _finish(found: Study, manifest: Manifest, observer: Observer) -> None:
    _foretell(found, manifest, observer)
    found.report()


def _foretell(found: Study, manifest: Manifest, observer: Observer) -> None:
    keep_foretold(found.folder, known := kept_foretold(found.folder))
    cells = found.cells
    done = set(cells.loc[cells["status"] == "finished", "id"])
    finished = [cell for cell in found.plan.grid.cells() if cell.id in done]
    keep_foretold(found.folder, foretell_cells(Desk(found, manifest), finished, known, observer))
