"""Every option of a run, defined once: Python keywords, YAML files and the command line all read this file.

A :class:`Recipe` is a value. It is complete (every option has a default), it refuses unknown keys and values
out of range with one sentence, and what it writes it reads back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from medgraft.errors import RecipeError, suggest
from medgraft.files import write_text
from medgraft.initialisation import Initialisation, checked_init
from medgraft.policy import POLICIES, Augment
from medgraft.tracking import checked_trackers
from medgraft.window import AUTO, checked_window
from medgraft.written import read_augment, read_mask_values, read_names, read_numbers, read_shares

StrategyName = Literal["frozen", "partial", "full", "gradual", "lp_ft", "bn_affine", "scratch"]
StrategyOption = Literal["frozen", "partial", "full", "gradual", "lp_ft", "bn_affine", "scratch", "auto"]
Task = Literal["segmentation", "classification"]


DEFAULTS: dict[Task, dict[str, Any]] = {
    "segmentation": {},
    "classification": {"size": 224, "model": "classifier", "loss": "bce", "lr": 1e-3, "encoder_lr": 1e-4},
}
"""Defaults of a task that differ from those of the fields."""


class Recipe(BaseModel):
    """All that decides a run besides the data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # -- data ------------------------------------------------------------------------------------------------
    task: Literal["auto", "segmentation", "classification"] = Field(
        "auto", description="auto: segmentation where the data has masks, classification where it has labels"
    )
    size: int = Field(256, ge=32, le=4096, description="working size: images are resized to SIZE x SIZE pixels")
    channels: Literal[1, 3] = Field(3, description="1 reads images as grey, 3 as colour")
    mask_values: Annotated[dict[str, str] | None, BeforeValidator(read_mask_values)] = Field(
        None, description="what mask values mean, as 0=background,255=lesion; a range is 0-127=background "
        "(default: 0/1 and 0/255 masks are recognised)")  # fmt: skip
    window: Annotated[str, BeforeValidator(checked_window)] = Field(
        AUTO, description="files of measured values (DICOM, volumes): what becomes black and white; auto: the file's "
        "own window, else percentile; percentile or 1-99; full; 40/400: centre/width; 2 or LUNG: one of the "
        "file's own")  # fmt: skip
    axis: Literal["axial", "coronal", "sagittal"] = Field("axial", description="how volumes are cut into slices")
    image_column: str | None = Field(None, description="CSV column with the image files")
    mask_column: str | None = Field(None, description="CSV column with the mask files")
    label_column: Annotated[tuple[str, ...] | None, BeforeValidator(read_names)] = Field(
        None, description="CSV column with the label, or several, comma separated, of 0 and 1 (multi-label)"
    )
    classes: Annotated[tuple[str, ...] | None, BeforeValidator(read_names)] = Field(
        None, description="the classes in order, comma separated; of two, the second is the positive one "
        "(default: normal or negative first, else as sorted)")  # fmt: skip
    group_column: str | None = Field(None, alias="group", description="CSV column with the patient (group)")
    split_column: str | None = Field(None, description="CSV column with train, val or test")
    exclude: Path | None = Field(None, description="a list of images to leave out, as medgraft inspect --fix-list "
                                 "writes it")  # fmt: skip
    split_file: Path | None = Field(None, description="reuse the split.csv of an earlier run")
    ratios: Annotated[tuple[float, float, float], BeforeValidator(read_shares)] = Field(
        (0.7, 0.15, 0.15), description="shares of train, val and test where the data has no split of its own"
    )
    folds: int = Field(
        0, ge=0, description="cross-validation: train FOLDS times, each image is tested once; 0: one split"
    )
    train_images: int | None = Field(
        None, ge=2, description="learn from so many of the training images: stratified, whole patients, drawn by seed; "
        "fewer are contained in more (default: all)")  # fmt: skip
    augment: Annotated[Augment, BeforeValidator(read_augment)] = Field(
        POLICIES["dermoscopy"], description="augmentation policy: dermoscopy, xray, microscopy or none "
        "(default: xray where all images are grey, else dermoscopy)")  # fmt: skip

    # -- model -----------------------------------------------------------------------------------------------
    model: str = Field("encoder_unet", description="encoder_unet, unet (no encoder), or with the extra smp: "
                       "smp:deeplabv3plus, smp:fpn, smp:unetplusplus, smp:segformer; for labels "
                       "classifier")  # fmt: skip
    encoder: str = Field("tf_efficientnet_lite0", description="any timm encoder (for masks: one with a feature "
                         "pyramid), or for labels one of the CBR family; medgraft encoders lists them")  # fmt: skip
    head: Literal["linear", "dropout", "mlp"] = Field(
        "linear", description="classifier: linear; dropout and linear; or mlp (256 hidden units, ReLU, dropout)"
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="classifier: dropout of the heads dropout and mlp")
    widths: Annotated[tuple[Annotated[int, Field(ge=1)], ...] | None, BeforeValidator(read_numbers)] = Field(
        None, description="channels of the steps of the U-Net or decoder, comma separated (default: the model's own)"
    )
    weights: str | None = Field(None, description="pretrained weights: a file (.safetensors or a state dict), an "
                                "hf-hub: id, or medical:NAME[@FILE] (default: an installed package, then "
                                "timm)")  # fmt: skip
    init: Annotated[str | None, BeforeValidator(checked_init)] = Field(
        None, description="what the encoder starts from: WT pretrained weights, ST their statistics alone, mean_var, "
        "RI random, WT-ST-N or slim-N: weights of the first N blocks (default: WT; scratch: RI)")  # fmt: skip
    adapt: Literal["sum", "mean"] = Field("sum", description="how the first convolution takes grey input")

    # -- strategy --------------------------------------------------------------------------------------------
    strategy: StrategyOption = Field("frozen", description="frozen: encoder fixed; partial: last blocks learn; full: "
                                   "all learn, lower rates in the encoder; gradual: unfreeze block by block; "
                                   "lp_ft: the head first, then full; bn_affine: norms and head alone; "
                                   "scratch: all from random weights; auto: what medgraft advise says of the "
                                     "data")  # fmt: skip
    lr: float = Field(2e-3, gt=0, le=1, description="learning rate of the decoder or head (scratch: of everything)")
    encoder_lr: float | None = Field(None, gt=0, le=1, description="rate of the deepest learning encoder block "
                                     "(default: 0.3 of LR, with labels 0.0001 where LR is not given)")  # fmt: skip
    decay: float = Field(0.8, gt=0, le=1, description="factor from an encoder block's rate to the one before it")
    block_lrs: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...] | None, BeforeValidator(read_numbers)] = Field(
        None, description="explicit rate of each encoder block, input to output, comma separated; 0 freezes it"
    )
    blocks: int = Field(2, ge=1, description="partial: how many encoder blocks learn, counted from the deepest")
    unfreeze_every: int = Field(3, ge=1, description="gradual: epochs between one encoder block and the next")
    probe_epochs: int = Field(5, ge=1, description="lp_ft: epochs of the head alone, where it is not solved at once")
    batch_norm: Literal["frozen", "train", "adapt"] = Field(
        "train", description="BatchNorm statistics of the encoder; train: blocks that learn move theirs; frozen: none "
        "do; adapt: all are estimated on the training images, then none moves")  # fmt: skip
    views: int | None = Field(None, ge=0, description="labels: views of each training image that the fixed blocks see, "
                              "once, the first unchanged, the others augmented; 0: a new one every epoch (default: 1 "
                              "where the encoder is fixed or augmentation is off, else 4)")  # fmt: skip
    solver: Literal["auto", "lbfgs", "adamw"] = Field(
        "auto", description="labels, encoder fixed: what trains the head on its features; lbfgs: logistic regression "
        "(linear heads), penalty chosen on val; adamw: the usual loop; auto: lbfgs where it can")  # fmt: skip

    # -- loss ------------------------------------------------------------------------------------------------
    loss: str = Field("combo", description="bce (cross-entropy), dice, focal, iou or combo; with labels bce or focal")
    imbalance: Literal["none", "class_weights", "weighted_sampling"] = Field(
        "none", description="labels: weigh classes in the loss, or draw images, so that every class counts the same"
    )
    loss_alpha: float = Field(0.5, ge=0, le=1, description="combo: weight of the cross-entropy; focal: alpha")
    loss_gamma: float = Field(2.0, ge=0, description="focal: how strongly easy pixels (or images) are discounted")

    # -- training --------------------------------------------------------------------------------------------
    epochs: int = Field(15, ge=1, description="epochs at most")
    batch_size: int = Field(16, ge=1, description="images a step and process")
    accumulate: int = Field(1, ge=1, description="steps whose gradients are added before the weights move")
    weight_decay: float = Field(0.01, ge=0, description="AdamW weight decay (never on norms and biases)")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of all steps in which the rates rise from 0")
    clip: float = Field(1.0, ge=0, description="largest norm of the gradient; 0 turns clipping off")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the moving average of the weights that is "
                       "evaluated and kept; 0 turns it off")  # fmt: skip
    patience: int = Field(10, ge=0, description="stop after so many epochs without a better val score; 0: never")
    seed: int = Field(0, ge=0, description="seed of the split, the weights, the order and the augmentation")
    workers: int = Field(0, ge=0, description="processes that prepare batches; 0 prepares them in the main one")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where to train")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field("auto", description="auto: chosen by a short probe")
    memory_format: Literal["auto", "contiguous", "channels_last"] = Field(
        "auto", description="layout of images in memory; auto: chosen by a short probe"
    )
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = Field(
        "auto", description="what runs the frozen part of the encoder (openvino: with the extra cpu); auto: chosen by "
        "a short probe")  # fmt: skip
    checkpoint_every: int = Field(1, ge=1, description="epochs between checkpoints")
    track: Annotated[tuple[str, ...], BeforeValidator(checked_trackers)] = Field(
        (), description="also write the run to tensorboard, mlflow or wandb (extras), comma separated")  # fmt: skip

    # -- evaluation ------------------------------------------------------------------------------------------
    threshold: float = Field(0.5, gt=0, lt=1, description="probability from which a pixel counts as foreground, "
                             "or an image as positive")  # fmt: skip
    bootstrap: int = Field(2000, ge=100, description="bootstrap samples behind each interval")

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if min(self.ratios) < 0 or self.ratios[0] <= 0 or not abs(sum(self.ratios) - 1) <= 1e-6:
            raise ValueError("ratios: three shares that add up to 1 are wanted, train above 0")
        if self.model == "unet" and self.strategy != "scratch":
            raise ValueError(
                f"strategy: {self.strategy!r} needs an encoder and model unet has none; "
                "choose model encoder_unet, or strategy scratch"
            )
        if self.folds and self.split_file is not None:
            raise ValueError("split_file: a cross-validation makes its own splits; leave out split_file, or folds")
        if self.strategy == "scratch" and self.weights is not None:
            raise ValueError("weights: strategy scratch starts from random weights and takes none")
        self._refuse_odd_start()
        return self

    def _refuse_odd_start(self) -> None:
        """Raise ValueError where another option is at odds with what the encoder starts from."""
        if self.init in (None, "WT" if self.strategy != "scratch" else "RI"):
            return
        if self.strategy == "scratch":
            raise ValueError(f"init: strategy scratch starts from random weights and not from {self.init}; choose "
                             "strategy full to train everything from there")  # fmt: skip
        if self.strategy == "auto":
            raise ValueError(f"strategy: what auto advises is measured with pretrained weights and not with init "
                             f"{self.init}; choose a strategy")  # fmt: skip
        if self.batch_norm == "frozen":
            raise ValueError(f"batch_norm: frozen keeps the statistics of pretrained weights, and init {self.init} "
                             "resets them; leave it at train, or choose adapt")  # fmt: skip

    @property
    def initialisation(self) -> Initialisation:
        """What the encoder starts from, whether it was chosen or comes with the strategy."""
        return Initialisation.parse(self.init or ("RI" if self.strategy == "scratch" else "WT"))

    @classmethod
    def make(cls, base: Recipe | None = None, **options: Any) -> Recipe:
        """Return ``base`` (default: the defaults) with ``options`` changed; raises RecipeError with one sentence."""
        start = base.chosen() if base is not None else {}
        if isinstance(options.get("augment"), dict) and base is not None and "policy" not in options["augment"]:
            options["augment"] = base.augment.model_dump() | options["augment"]
        unknown = [key for key in options if key not in cls.option_names()]
        if unknown:
            raise RecipeError(f"no option {unknown[0]!r} in a recipe.{suggest(unknown[0], cls.option_names())}")
        try:
            return cls(**(start | options))
        except ValidationError as error:
            raise RecipeError(_one_sentence(error)) from None

    @classmethod
    def load(cls, path: str | Path, **options: Any) -> Recipe:
        """Read a YAML recipe and change ``options`` in it; raises RecipeError that names the file."""
        try:
            raw = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except FileNotFoundError:
            raise RecipeError(f"{path}: no such recipe file.") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise RecipeError(f"{path}: cannot be read as a YAML recipe ({reason}).") from None
        if not isinstance(raw, dict):
            raise RecipeError(f"{path}: a recipe is a mapping of options to values.")
        try:
            recipe = cls.make(**{str(k): v for k, v in raw.items()})
        except RecipeError as error:
            raise RecipeError(f"{path}: {error}") from None
        return cls.make(recipe, **options)

    @classmethod
    def option_names(cls) -> list[str]:
        """Names of all options, as written in YAML and (with dashes) on the command line."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    def options(self) -> dict[str, Any]:
        """Every option with its value, as plain types that YAML and JSON can hold."""
        return self.model_dump(mode="json", by_alias=True)

    def chosen(self) -> dict[str, Any]:
        """Those options that were given a value, as plain types; the others have their defaults."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def for_task(self, task: Task, grey: bool) -> Recipe:
        """The same, complete, for data of that task: options that were not chosen take the defaults of the task.

        Parameters
        ----------
        task : what the data has: masks (``segmentation``) or labels (``classification``).
        grey : whether its images are grey, and so get the policy ``xray`` where none was chosen.
        """
        if self.task not in ("auto", task):
            raise RecipeError(f"task: {self.task!r} is asked for, and the data is one for {task}.")
        defaults = dict(DEFAULTS[task])
        if "lr" in self.model_fields_set:
            defaults.pop("encoder_lr", None)
        if grey:
            defaults["augment"] = "xray"
        return Recipe.make(**(self.options() | defaults | self.chosen() | {"task": task}))

    def to_yaml(self) -> str:
        """The complete recipe as YAML."""
        return yaml.safe_dump(self.options(), sort_keys=False, allow_unicode=True)

    def save(self, path: str | Path) -> None:
        """Write the complete recipe, whole or not at all."""
        write_text(path, self.to_yaml())


def default_of(option: str) -> str | None:
    """The default of an option in words, with that of classification where it differs; None where it has none."""
    plain = Recipe().options()[option]
    if plain is None or plain == []:
        return None
    words = ",".join(map(str, plain)) if isinstance(plain, list) else str(plain)
    other = DEFAULTS["classification"].get(option)
    return words if other is None else f"{words}, with labels {other}"


def _one_sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    what = str(first["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    if first["type"] == "extra_forbidden":
        return f"{where}: no such option.{suggest(where.rpartition('.')[2], Augment.model_fields)}"
    return f"{where}: {what} (got {first['input']!r})." if where else f"{what}."
