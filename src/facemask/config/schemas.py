"""Keys of each command, with their types and defaults; those of ``prepare_data.py`` are in ``preparation_schemas``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omegaconf import MISSING

# OmegaConf composes these as untyped nodes, because users may add keys; facemask.config.typed converts them.
if TYPE_CHECKING:
    from facemask.config.component import Component as Node
    from facemask.config.roots import Root

    Nodes = dict[str, Node]
    Names = dict[str, str | None]
    Strings = list[str]
    Margin = float | list[float]
    SourceName = int | str | Node
    Sources = dict[str, dict[str, object]]
else:
    Node = Nodes = Names = Strings = Root = Margin = SourceName = Sources = Any


@dataclass
class TrainConfig:
    """Keys of ``train.py``; the keys of a config group in ``conf/`` are the arguments of its ``_target_``."""

    lr: float = 1e-3  # learning rate; with a schedule, its peak
    bs: int = 32  # batch size
    epochs: int = 12  # maximum number of epochs; early stopping may stop earlier
    seed: int = 0  # seed of initial weights, shuffling, augmentation and dropout
    split_seed: int = 0  # seed of the split into folds and held-out test set
    k: int = 5  # number of folds
    fold: int | str = 0  # validation fold, 0 to k - 1; "all" trains on each fold in turn
    # Metric that selects the best epoch: minimised if its name ends with loss or error, else maximised.
    monitor: str = "val/auroc"
    resume: str | None = None  # run folder to resume
    # Packages whose classes a run folder or checkpoint may name, if it has classes that are not of facemask.
    trust: Strings = field(default_factory=list)
    teacher: str | None = None  # run folder of the teacher for knowledge distillation; trained on the same data
    teacher_weight: float = 0.7  # weight of the distillation loss, 0 to 1; the labels have weight 1 - teacher_weight
    teacher_temperature: float = 3.0  # softmax temperature for distillation; higher = softer targets
    # Use out-of-fold predictions of the teacher, a run of all folds. The validation score is then too high, so sweeps,
    # which rank by it, refuse this key.
    teacher_unseen: bool = False
    name: str = "${data.name}"  # name of the sweep's folder
    # Train a sweep fold by fold, and prune configurations that are clearly worse before they have run all folds.
    race: bool = False
    # A race of equal configurations prunes any of them with at most the two-sided normal probability of this many
    # standard errors; 2 = 4.6 %.
    race_margin: float = 2.0
    # Successive halving: train the configurations of a grid for a third of the epochs, and the best third to the end.
    halving: bool = False
    # Set by race=true and halving=true: number of folds after which a job pauses; 0 = after a third of the first fold's
    # epochs; null = to the end.
    race_folds: int | None = None
    fail_fast: bool = False  # start no more jobs of a sweep after a job has failed
    private: bool = False  # create files and folders that only the current user can read
    data: Node = MISSING
    augment: Node = MISSING
    model: Node = MISSING
    optim: Node = MISSING
    schedule: Node = MISSING
    trainer: Node = MISSING
    callbacks: Nodes = field(default_factory=dict)
    logger: Nodes = field(default_factory=dict)


@dataclass
class EvaluationData:
    """Face crops to evaluate on, if not the run's own data."""

    root: Root | None = None  # folder of face crops, or a list; null = the run's own data
    store_dir: str | None = None  # folder of cached decoded images; null = the run's own
    max_unreadable: float = 0.01  # maximum fraction of unreadable files
    labels: Names | None = None  # {class folder: class of the model}, if the names differ


@dataclass
class CropShape:
    """Region around a face's bounding box that is cropped."""

    margin: Margin = 0.15  # added on every side, as a fraction of the box's side; or [left, top, right, bottom]
    square: bool = False  # extend the shorter side to make the crop square


@dataclass
class Crop(CropShape):
    """How a face is cropped from its photo."""

    min_side: int = 0  # pixels; smaller faces (shorter side of the box, without margin) are skipped


@dataclass
class Unsure:
    """When the answer for a face is ``unsure`` instead of a class."""

    # Pixels; crops with a smaller shorter side, margin included, are unsure. null = that of the smallest training crops
    min_side: int | None = None
    min_probability: float = 0.0  # a smaller probability of the most probable class is unsure, 0 to 1


@dataclass
class Costs:
    """Cost of each error of a two-class model, in any unit."""

    missed: float = 5.0  # false negative (an undetected bare face)
    false_alarm: float = 1.0  # false positive (a masked face classified as bare)


@dataclass
class ReportContent:
    """Content of an evaluation report."""

    faces: bool = False  # embed images of people
    pictures: int = 24  # number of images in each gallery; number of photos
    title: str | None = None


@dataclass
class EvaluateConfig:
    """Keys of ``evaluate.py``."""

    # Run folder, checkpoint or exported model; several are compared: run=A run=B. None = the ready-made model, on other
    # data: photos= or data.root=.
    run: Strings = field(default_factory=list)
    sweep_folder: str | None = None  # sweep folder, to evaluate its best configuration; typed as sweep=
    # Packages whose classes a run folder or checkpoint may name, if it has classes that are not of facemask.
    trust: Strings = field(default_factory=list)
    top: int | str = 1  # number of best configurations of the sweep to evaluate, or "all"
    # Fold whose model is evaluated; null = the first complete fold, "all" = every fold as a separate model.
    fold: int | str | None = None
    split: str = "test"  # test, val, or all (all images of another data.root)
    # {class of the model: class that it counts as}, for data that do not distinguish them: {wrong_mask: no_mask}
    merge: Names | None = None
    positive: str | None = None  # positive class of a two-class model; null = the second
    recalls: list[float] = field(default_factory=lambda: [0.9, 0.95, 0.99])  # recalls of the operating points to report
    n_bootstraps: int = 2000  # number of bootstrap resamples
    seed: int = 0  # seed of the bootstrap and of the galleries
    device: str = "auto"  # auto, cpu, cuda
    private: bool = False  # create files and folders that only the current user can read
    batch_size: int = 32  # of torch; larger is faster on a GPU
    data: EvaluationData = field(default_factory=EvaluationData)
    # Several sets of faces: every model is evaluated on each. sets=A sets=B
    sets: Strings = field(default_factory=list)
    photos: str | None = None  # folder of annotated photos, to evaluate face detection and classification end to end
    boxes: str = "auto"  # format of the annotations (auto, coco, voc, cvat, labelme, csv, yolo), or their place
    difficult: bool = False  # count faces that are marked as difficult, and crowds; else they are ignored
    classes: Names = field(default_factory=dict)  # {name in the annotations: class}; null excludes the faces of a name
    detector: Node = MISSING  # face detector
    crop: Crop = field(default_factory=lambda: Crop(min_side=24))
    unsure: Unsure = field(default_factory=Unsure)
    costs: Costs = field(default_factory=Costs)
    report: ReportContent = field(default_factory=ReportContent)
    logger: Nodes = field(default_factory=dict)


@dataclass
class ExportConfig:
    """Keys of ``export.py``."""

    run: str | None = None  # run folder or checkpoint
    # Packages whose classes a run folder or checkpoint may name, if it has classes that are not of facemask.
    trust: Strings = field(default_factory=list)
    fold: int | None = None  # fold whose model is exported; null = the first complete fold
    average: bool = False  # export the mean of the weights of all folds, as one model
    format: str = "onnx"  # onnx, openvino, exported_program, or a class: my_module.MyFormat
    precision: str = "fp32"  # fp32, fp16, int8
    preprocessing: str = "inside"  # inside: the graph takes uint8 images; outside: it takes the normalised input
    # Maximum accuracy drop on the validation images; a value > 0 allows at least one image; null = not checked.
    max_drop: float | None = 0.005
    calibration: int = 128  # int8 only: maximum number of validation images to calibrate on
    float_layers: int | None = None  # int8 only: number of leading convolutions kept in float; null = 1/12 of them
    n_bootstraps: int = 2000  # number of bootstrap resamples
    seed: int = 0  # seed of the bootstrap and of the choice of calibration images
    store_dir: str | None = None  # folder of cached decoded images; null = the run's own


@dataclass
class InferVideoConfig:
    """Keys of ``infer_video.py``."""

    run: str | None = None  # run folder, checkpoint or exported model; null = the ready-made model
    # Packages whose classes a run folder or checkpoint may name, if it has classes that are not of facemask.
    trust: Strings = field(default_factory=list)
    # Camera number, URL (rtsp://…, http://…), GStreamer pipeline, video, photo, folder, pattern, or a custom class:
    # 'source={_target_: my_module.MySource, KEY: VALUE}'
    source: SourceName = 0
    live: bool | None = None  # play a video at its own frame rate and drop frames, as a camera does
    loop: bool = False  # restart a video at its end
    seconds: float | None = None  # stop after this many seconds
    detect_every: int = 8  # frames between two detections; faces are tracked in between
    classify_every: int = 3  # frames between two classifications of a face
    half_life: float = 0.5  # seconds until the weight of a classification halves in the average; 0 = no smoothing
    patience: float = 1.0  # seconds that a track survives without a detection
    privacy: str = "none"  # none, or blur (make every face unrecognisable in all output)
    private: bool = True  # create files and folders that only the current user can read
    reconnect: float = 60.0  # seconds during which to try to reconnect to a lost camera
    threads: int | None = None  # number of threads of the classifier; null = number of cores
    crop: CropShape = field(default_factory=CropShape)
    unsure: Unsure = field(default_factory=Unsure)
    detector: Node = MISSING
    sink: Nodes = field(default_factory=dict)
