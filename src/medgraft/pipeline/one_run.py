"""One run: prepared, assembled, trained (or its head solved), evaluated and reported, also where it broke off."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list

from medgraft.data import Augmenter, Manifest, evaluation_loader, save_split, scale
from medgraft.evaluation import evaluate, evaluate_labels
from medgraft.files import replacing, write_text
from medgraft.pipeline.assemble import Assembled, assemble
from medgraft.pipeline.environment import environment, peak_rss_mb
from medgraft.pipeline.extraction import extract_features, solve_head, solves, train_head, views_of
from medgraft.pipeline.folders import refuse_existing, refuse_other_work
from medgraft.pipeline.prepare import Prepared, describe_data, prepare
from medgraft.pipeline.probing import epoch_to_probe, probe
from medgraft.pipeline.tasks import Criterion, headline
from medgraft.pipeline.tracked import tracked
from medgraft.progress import Observer
from medgraft.recipe import Recipe
from medgraft.report import run_report
from medgraft.run import Run
from medgraft.scores import Scores
from medgraft.training import Choices, Trainer, accelerator_for
from medgraft.transfer import Features, adapt_statistics, require_engine
from medgraft.weightfile import save_weights

Transform = Callable[..., Any]


class OneRun:
    """The steps from data to one reported run, in order; each records how long it took.

    :meth:`run_all` takes them all. A study takes :meth:`train` alone where it compares rates, and writes no page.

    Parameters
    ----------
    run : the run to go on with; None makes ``folder``.
    prepared : the data as :func:`~medgraft.pipeline.prepare.prepare` made it for this recipe; None prepares it.
    """

    def __init__(
        self,
        manifest: Manifest,
        recipe: Recipe,
        run: Run | None,
        folder: Path,
        augmentation: Transform | None,
        observer: Observer,
        prepared: Prepared | None = None,
    ) -> None:
        self.manifest, self.recipe, self.augmentation = manifest, recipe, augmentation
        self.resumed, self.given = run, prepared
        self.accelerator = accelerator_for(recipe.device)
        self.main = bool(self.accelerator.is_main_process)
        self.observer = observer if self.main else Observer()
        self.folder = folder
        self.time: dict[str, float] = {}
        self.features: Features | None = None
        self.learnt: list[dict[str, Any]] = []
        self.criterion: Criterion
        self.scores: Scores

    def run_all(self) -> Run:
        """Prepare, assemble, train, evaluate, report; who tracks the run is told of its end, whatever it is."""
        try:
            self.train()
            if self.main:
                self.evaluate()
                self.report()
            self.accelerator.wait_for_everyone()
            return Run(self.folder)
        finally:
            self.observer.close()

    def train(self) -> Run:
        """Prepare, assemble and train; the run then has its weights and its history, and no scores."""
        if self.resumed is None and self.main:
            refuse_existing(self.folder)
        prepared = self.prepared
        self.observer.say(describe_data(prepared))
        assembled = assemble(self.recipe, prepared.task.outputs, prepared.mean, prepared.std)
        if self.recipe.batch_norm == "adapt":
            self._timed("statistics", lambda: self._adapt(prepared, assembled))
        if self.recipe.strategy == "frozen" and self._at_once(assembled):
            assembled = assembled.with_solved_head()
        for sentence in [*assembled.sentences(), *assembled.strategy.remarks(assembled.model)]:
            self.observer.say(sentence)
        self.criterion = prepared.task.criterion(self.recipe, prepared.targets("train"))
        run = self._start(prepared, assembled)
        self._extract(run, prepared, assembled)
        if self.features is not None and solves(self.recipe):
            assembled = self._timed("head", lambda: self._solve(run, prepared, assembled))
        elif self.features is not None and self.recipe.strategy == "frozen":
            self.learnt = self._timed("head", lambda: self._train_head(prepared, assembled))
        if self.learnt and self.recipe.strategy == "frozen":
            self._keep_head(run, assembled)
        else:
            choices = self._choose(run, prepared, assembled)
            self.observer.say(choices.sentence())
            self._train(run, prepared, assembled, choices)
        if self.main:
            run.update_environment(time=self.time)
        return run

    def evaluate(self) -> Run:
        """Score what was trained on validation and test images; for the main process alone."""
        run, prepared = Run(self.folder), self.prepared
        self.scores, notes = self._timed("evaluation", lambda: self._evaluate(run, prepared))
        for note in notes:
            self.observer.say(note)
        data = prepared.describe()
        data["notes"] = [*data["notes"], *notes]
        spent = run.environment.get("time", {}) | self.time
        run.update_environment(time=spent, peak_rss_mb=peak_rss_mb(), data=data)
        return run

    def report(self) -> None:
        """Write the page of what was evaluated; for the main process alone."""
        report = run_report(self.folder, self.prepared.manifest.withheld_places)
        self.observer.close()
        self.observer.say(headline(self.scores, self.prepared.task))
        self.observer.say(str(report))

    @cached_property
    def prepared(self) -> Prepared:
        """The data, read when it is first asked for."""
        with self.accelerator.main_process_first():
            found: Prepared = self._timed("store", self._prepare)
        return found

    def _timed(self, part: str, call: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = call()
        self.time[part] = round(time.perf_counter() - start, 3)
        return result

    def _prepare(self) -> Prepared:
        known = self.resumed.folder / "split.csv" if self.resumed else None
        split_file = known if known and known.is_file() else None
        prepared = self.given or prepare(self.manifest, self.recipe, self.observer, split_file)
        if self.resumed:
            refuse_other_work(self.resumed, int(self.accelerator.num_processes), prepared.store.path.name)
        return prepared

    def _start(self, prepared: Prepared, assembled: Assembled) -> Run:
        """Make the run's folder (or take the one to resume) and write what is known before training."""
        if self.main:
            run = self.resumed or Run.create(self.folder, self.recipe)
            if not (run.folder / "split.csv").is_file():
                save_split(prepared.manifest, run.folder / "split.csv")
            self._describe(run, prepared, assembled)
            if not (run.folder / "environment.json").is_file():
                run.update_environment(**environment(self.accelerator), data=prepared.describe())
            self.observer = tracked(run, self.observer)
        self.accelerator.wait_for_everyone()
        return Run(self.folder)

    def _describe(self, run: Run, prepared: Prepared, assembled: Assembled) -> None:
        run.save_model_info(
            size=self.recipe.size,
            source_size=prepared.source_size,
            window=self.recipe.window,
            classes=prepared.task.record(),
            threshold=self.recipe.threshold,
            **assembled.describe(),
        )

    # -- what is fixed, and what can be solved on it -------------------------------------------------------------

    def _adapt(self, prepared: Prepared, assembled: Assembled) -> None:
        """Estimate the encoder's BatchNorm statistics on the training images, in the order of the table."""
        assembled.model.to(self.accelerator.device)
        loader = evaluation_loader(prepared.store, prepared.rows["train"], self.recipe.batch_size)
        adapt_statistics(assembled.model, (scale(batch.images) for batch in loader))

    def _at_once(self, assembled: Assembled) -> bool:
        """Whether the head is to be solved on stored features."""
        return solves(self.recipe) and views_of(self.recipe, assembled, self.augmentation) > 0

    def _extract(self, run: Run, prepared: Prepared, assembled: Assembled) -> None:
        """Store the features of the fixed blocks where that is allowed; the processes but the first find them."""
        views = views_of(self.recipe, assembled, self.augmentation)
        if not views:
            return
        assembled.model.to(self.accelerator.device)
        # Another engine would give other digits than those that the run was begun with.
        engine = run.environment.get("features", {}).get("engine", self.recipe.engine)
        with self.accelerator.main_process_first():
            self.features = self._timed(
                "features", lambda: extract_features(prepared, assembled, self.recipe, views, engine, self.observer)
            )
        if self.main and self.features is not None:
            run.update_environment(features=self.features.record())

    def _solve(self, run: Run, prepared: Prepared, assembled: Assembled) -> Assembled:
        """Solve the head; where the encoder learns afterwards, it does so from there, at once."""
        assert self.features is not None
        self.learnt = solve_head(prepared, assembled, self.features, self.recipe)
        best = next(line for line in self.learnt if line["chosen"])
        shown = f", val loss {best['val']['loss']:.3f}" if best["val"] else ""
        self.observer.say(
            f"linear head solved by L-BFGS: {len(self.learnt)} penalties tried, {best['penalty']:.2g} taken{shown}"
        )
        if assembled.strategy.name == "lp_ft":
            assembled = assembled.with_strategy(assembled.strategy.model_copy(update={"probe": 0}), self.recipe)
            if self.main:
                self._describe(run, prepared, assembled)
        return assembled

    def _train_head(self, prepared: Prepared, assembled: Assembled) -> list[dict[str, Any]]:
        assert self.features is not None
        return train_head(prepared, assembled, self.features, self.recipe, self.criterion, self.observer)

    def _keep_head(self, run: Run, assembled: Assembled) -> None:
        """The head is all that learns, and it has learnt."""
        self.time["training"] = self.time.pop("head")
        if self.main:
            write_text(run.folder / "history.jsonl", "".join(json.dumps(line) + "\n" for line in self.learnt))
            save_weights(run.folder / "model.safetensors", assembled.model.state_dict())

    # -- training ------------------------------------------------------------------------------------------------

    def _choose(self, run: Run, prepared: Prepared, assembled: Assembled) -> Choices:
        """Take the choices of the run that is resumed, or let the main process measure and tell the others."""
        found: list[Choices | None] = [None]
        if self.main:
            known = run.environment.get("choices")
            if known:
                require_engine(known["engine"])
                found[0] = Choices(**known)
            else:
                found[0] = self._timed("probe", lambda: self._probe(prepared, assembled))
            assert found[0] is not None
            run.update_environment(choices=found[0].to_dict())
        broadcast_object_list(found)
        assert found[0] is not None
        return found[0]

    def _probe(self, prepared: Prepared, assembled: Assembled) -> Choices:
        epoch = epoch_to_probe(assembled, self.recipe, self.features is not None)
        return probe(
            prepared, assembled, self.recipe, self.criterion, self._augmenter(), self.accelerator.device, epoch
        )

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
            prepared.task.monitor(self.recipe),
            self._augmenter(),
            run.folder,
            self.accelerator,
            self.observer,
            self.features,
            prepared.task.draws(self.recipe, prepared.targets("train")),
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

    def _evaluate(self, run: Run, prepared: Prepared) -> tuple[Scores, Sequence[str]]:
        if prepared.task.name == "segmentation":
            return evaluate(run, prepared.manifest, prepared.store, self.observer), ()
        fixed = self.features if self.recipe.strategy == "frozen" else None
        found = evaluate_labels(run, prepared.manifest, prepared.store, self.observer, fixed)
        return found.scores, found.notes
