"""The keys of each command, with their types and defaults."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


@dataclass
class TrainConfig:
    """The keys of ``train.py``; ``conf/`` has the groups' choices, whose keys are their ``_target_``'s arguments."""

    lr: float = 1e-3  # learning rate (its peak, where a schedule moves it)
    bs: int = 32  # images a step
    epochs: int = 12  # at most; early stopping may end sooner
    seed: int = 0  # initial weights, order, augmentation, dropout
    split_seed: int = 0  # which image is in which part
    k: int = 5  # folds
    fold: int | str = 0  # the fold to validate on, 0 to k - 1; "all" for each in turn
    monitor: str = (
        "val/auroc"  # the best epoch is the best of this; ...loss and ...error are minimised, all else maximised
    )
    resume: str | None = None  # a run folder to continue
    name: str = "${data.name}"  # names a sweep's folder
    race: bool = False  # stop a sweep's configurations that are clearly behind, before they have run all their folds
    race_margin: float = 2.0  # how many standard errors behind that is; with few folds, as many as are as unlikely
    fail_fast: bool = False  # begin no more jobs of a sweep once one has failed
    data: Any = MISSING
    augment: Any = MISSING
    model: Any = MISSING
    optim: Any = MISSING
    schedule: Any = MISSING
    trainer: Any = MISSING
    callbacks: Any = field(default_factory=dict)
    logger: Any = field(default_factory=dict)


@dataclass
class EvaluationData:
    """What to evaluate on, where that is not the run's own data."""

    root: str | None = None  # another folder of face crops; null is the run's own data
    store_dir: str | None = None  # decoded images; null keeps them where the run's are
    max_unreadable: float = 0.01  # share of damaged files that is tolerated
    labels: Any = None  # {class folder: class of the model}, where names differ


@dataclass
class Costs:
    """What a mistake of a two-class model costs, in any unit."""

    missed: float = 5.0  # a positive (a bare face) that is let pass
    false_alarm: float = 1.0  # a negative (a masked face) that is stopped


@dataclass
class ReportContent:
    """What goes into a report."""

    faces: bool = False  # embed pictures of people
    pictures: int = 24  # in each gallery
    title: str | None = None


@dataclass
class EvaluateConfig:
    """The keys of ``evaluate.py``."""

    run: Any = None  # a run folder; several are compared: run=A run=B
    sweep_folder: str | None = None  # or a sweep's, whose first place is; typed as sweep=
    top: int | str = 1  # so many of the sweep's first places; "all"
    fold: int | str | None = None  # whose model; null is the first that is complete, "all" each as a model of its own
    split: str = "test"  # test, val, or all images of another data.root
    positive: str | None = None  # of two classes, the one to find; null is the second
    recalls: list[float] = field(default_factory=lambda: [0.9, 0.95, 0.99])  # operating points
    draws: int = 2000  # of the bootstrap
    seed: int = 0  # of the bootstrap and the galleries
    device: str = "auto"  # auto, cpu, cuda
    batch_size: int = 32  # images at a time; on a GPU, more are faster
    data: EvaluationData = field(default_factory=EvaluationData)
    costs: Costs = field(default_factory=Costs)
    report: ReportContent = field(default_factory=ReportContent)
    logger: Any = field(default_factory=dict)


@dataclass
class ExportConfig:
    """The keys of ``export.py``."""

    run: str | None = None  # a run folder
    fold: int | None = None  # whose model; null is the first that is complete
    format: str = "onnx"  # onnx, openvino, exported_program
    precision: str = "fp32"  # fp32, fp16, int8
    preprocessing: str = "inside"  # the graph takes uint8 pictures; outside: it takes what the network takes
    max_drop: float = 0.005  # the most accuracy that may be lost on the validation images
    calibration: int = 128  # of int8: so many validation images, at most
    float_layers: int | None = None  # of int8: so many of the first convolutions stay in floats; null: a twelfth
    draws: int = 2000  # of the bootstrap
    seed: int = 0  # of the bootstrap, and of which images are calibrated on
    store_dir: str | None = None  # decoded images; null keeps them where the run's are


@dataclass
class PictureContent:
    """What goes into the report of a data set."""

    faces: bool = False  # embed pictures of people


@dataclass
class PrepareConfig:
    """The keys of ``prepare_data.py``."""

    task: str = MISSING  # explore
    seed: int = 0  # of what is shown
    split_seed: int = 0  # which image is in which part
    bs: int = 32  # these two are training's, which the data's node refers to
    k: int = 5
    data: Any = MISSING
    augment: Any = MISSING
    report: PictureContent = field(default_factory=PictureContent)
