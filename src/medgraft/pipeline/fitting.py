"""fit: from data and a recipe to a run that is trained, evaluated and reported; also where one broke off."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list
from torch import Tensor

from medgraft import losses
from medgraft.data import Augmenter, Manifest, save_split, scale, training_loader
from medgraft.errors import RunError
from medgraft.evaluation import evaluate
from medgraft.files import replacing
from medgraft.pipeline.assemble import Assembled, assemble
from medgraft.pipeline.environment import environment, peak_rss_mb
from medgraft.pipeline.folders import default_folder, refuse_existing, reopen, settle
from medgraft.pipeline.plan import check_before_work
from medgraft.pipeline.prepare import Prepared, describe_data, open_for, prepare
from medgraft.progress import Observer, Terminal
from medgraft.recipe import Recipe
from medgraft.report import run_report
from medgraft.run import Run
from medgraft.training import Choices, Trainer, accelerator_for, choose
from medgraft.transfer import encoder_of, require_engine

Transform = Callable[..., Any]


def fit(
    data: str | Path | Manifest,
    recipe: Recipe | str | Path | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    augmentation: Transform | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> Run:
    """Train a model on ``data``, evaluate it on images it never saw, and write the report.

    Parameters
    ----------
    data : a folder, a CSV, or a Manifest.
    recipe : a Recipe or the path of a YAML file; default: the defaults (on resume: the run's own).
    out : the run's folder (default ``runs/DATA-STRATEGY-SIZE``); it must not hold a run already, unless ``resume``.
    resume : go on from the last checkpoint in ``out``. The result is that of an unbroken run.
    augmentation : any callable ``(image, mask) -> (image, mask)`` on uint8 arrays, or an albumentations Compose, run
        after the recipe's own augmentation. It is code, so the recipe cannot hold it: pass it again on resume.
    observer : who is told of the progress; default: a bar on standard error.
    options : single options of the recipe, by name.

    Returns
    -------
    Run
        The folder, opened.

    Raises
    ------
    MedgraftError
        For anything about the data, the recipe or the folder that the caller can mend.

    Examples
    --------
    >>> run = fit("lesions/", strategy="frozen", size=128)  # doctest: +SKIP
    """
    observer = observer or Terminal()
    try:
        if resume:
            run = reopen(data, recipe, out, options)
            if run.finished:
                observer.say(f"{run.folder} is finished; nothing is left to resume.")
                return run
        else:
            run = None
        settled = run.recipe if run else settle(recipe, options)
        check_before_work(settled)
        manifest = open_for(data, settled)
        return _Fitting(manifest, settled, run, Path(out) if out else None, augmentation, observer).run_all()
    finally:
        observer.close()


class _Fitting:
    """The steps of one fit, in order; each records how long it took."""

    def __init__(
        self,
        manifest: Manifest,
        recipe: Recipe,
        run: Run | None,
        out: Path | None,
        augmentation: Transform | None,
        observer: Observer,
    ) -> None:
        self.manifest, self.recipe, self.augmentation = manifest, recipe, augmentation
        self.resumed = run
        self.accelerator = accelerator_for(recipe.device)
        self.main = bool(self.accelerator.is_main_process)
        self.observer = observer if self.main else Observer()
        self.folder = run.folder if run else out or default_folder(manifest, recipe)
        self.time: dict[str, float] = {}

        self.criterion: Callable[[Tensor, Tensor], Tensor]

    def run_all(self) -> Run:
        """Prepare, assemble, train, evaluate, report."""
        if self.resumed is None and self.main:
            refuse_existing(self.folder)
        with self.accelerator.main_process_first():
            prepared = self._timed("store", self._prepare)
        self.observer.say(describe_data(prepared))
        assembled = assemble(self.recipe, prepared.output_channels, prepared.mean, prepared.std)
        for sentence in assembled.sentences():
            self.observer.say(sentence)
        mode: losses.Mode = "binary" if prepared.output_channels == 1 else "multiclass"
        recipe = self.recipe
        self.criterion = losses.create(recipe.loss, mode, recipe.loss_alpha, recipe.loss_gamma)
        run = self._start(prepared, assembled)
        choices = self._choose(run, prepared, assembled)
        self.observer.say(choices.sentence())
        self._train(run, prepared, assembled, choices)
        if self.main:
            self._conclude(run, prepared)
        self.accelerator.wait_for_everyone()
        return Run(self.folder)

    def _timed(self, part: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = call()
        self.time[part] = round(time.perf_counter() - start, 3)
        return result

    def _prepare(self) -> Prepared:
        known = self.resumed.folder / "split.csv" if self.resumed else None
        split_file = known if known and known.is_file() else None
        prepared = prepare(self.manifest, self.recipe, self.observer, split_file)
        if self.resumed and (self.folder / "environment.json").is_file():
            before = self.resumed.environment
            if before["processes"] != self.accelerator.num_processes:
                raise RunError(
                    f"{self.folder}: this run was begun with {before['processes']} processes and is resumed with "
                    f"{self.accelerator.num_processes}; batches would differ. Start as many as before."
                )
            if before["data"]["store"] != prepared.store.path.name:
                raise RunError(
                    f"{self.folder}: the data has changed since this run began, so it cannot be resumed. "
                    "Train again with another --out."
                )
        return prepared

    def _start(self, prepared: Prepared, assembled: Assembled) -> Run:
        """Make the run's folder (or take the one to resume) and write what is known before training."""
        if self.main:
            run = self.resumed or Run.create(self.folder, self.recipe)
            if not (run.folder / "split.csv").is_file():
                save_split(prepared.manifest, run.folder / "split.csv")
            run.save_model_info(
                size=self.recipe.size,
                classes=prepared.store.classes.to_dict(),
                threshold=self.recipe.threshold,
                **assembled.describe(),
            )
            if not (run.folder / "environment.json").is_file():
                run.update_environment(**environment(self.accelerator), data=prepared.describe())
        self.accelerator.wait_for_everyone()
        return Run(self.folder)

    def _choose(self, run: Run, prepared: Prepared, assembled: Assembled) -> Choices:
        """Take the choices of the run that is resumed, or let the main process measure and tell the others."""
        found: list[Choices | None] = [None]
        if self.main:
            known = run.environment.get("choices")
            if known:
                require_engine(known["engine"])
            found[0] = Choices(**known) if known else self._timed("probe", lambda: self._probe(prepared, assembled))
            assert found[0] is not None
            run.update_environment(choices=found[0].to_dict())
        broadcast_object_list(found)
        assert found[0] is not None
        return found[0]

    def _probe(self, prepared: Prepared, assembled: Assembled) -> Choices:
        recipe = self.recipe
        loader = training_loader(
            prepared.store, prepared.rows["train"], self._augmenter(), recipe.batch_size, recipe.seed
        )
        batch = next(iter(loader))
        device = self.accelerator.device
        model = assembled.model.to(device)
        encoder = encoder_of(model)
        stop = assembled.strategy.prefix(len(encoder.blocks), 0) if encoder is not None else 0
        return choose(model, stop, recipe, scale(batch.images).to(device), batch.masks.to(device), self.criterion)

    def _augmenter(self) -> Augmenter:
        return Augmenter(self.recipe.augment, self.augmentation)

    def _train(self, run: Run, prepared: Prepared, assembled: Assembled, choices: Choices) -> None:
        trainer = Trainer(
            assembled.model,
            assembled.strategy,
            self.recipe,
            choices,
            prepared.store,
            prepared.rows,
            self.criterion,
            self._augmenter(),
            run.folder,
            self.accelerator,
            self.observer,
        )
        try:
            trainer.fit(resume=self.resumed is not None and trainer.checkpoint.last.is_file())
        except KeyboardInterrupt:
            if self.main:
                self._keep_best(trainer)
                kept = ", the best weights so far are kept" if trainer.epoch else ""
                self.observer.say(
                    f"stopped after {trainer.epoch} of {self.recipe.epochs} epochs{kept}; "
                    f"go on with --out {self.folder} --resume"
                )
            raise
        self.time["training"] = round(sum(line["seconds"] for line in trainer.history), 3)
        if self.main:
            self._keep_best(trainer)

    def _keep_best(self, trainer: Trainer) -> None:
        """Bring the best weights so far into the run, so that it can predict."""
        if trainer.checkpoint.best.is_file():
            with replacing(self.folder / "model.safetensors") as temporary:
                shutil.copyfile(trainer.checkpoint.best, temporary)

    def _conclude(self, run: Run, prepared: Prepared) -> None:
        scores = self._timed("evaluation", lambda: evaluate(run, prepared.manifest, prepared.store, self.observer))
        run.update_environment(time=self.time, peak_rss_mb=peak_rss_mb())
        report = run_report(run.folder)
        self.observer.close()
        for split, metrics in scores.items():
            if split == "test" or "test" not in scores:
                dice, jaccard = metrics["dice"], metrics["jaccard"]
                self.observer.say(f"{split}   Dice {dice.brief()} · Jaccard {jaccard.brief()} · n = {dice.n}")
        self.observer.say(str(report))
