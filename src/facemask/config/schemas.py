"""The keys of each command, with their types and defaults."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omegaconf import MISSING

# What OmegaConf composes as plain nodes, because users may add to them, becomes typed in facemask.config.typed.
if TYPE_CHECKING:
    from facemask.config.component import Component as Node

    Nodes = dict[str, Node]
    Names = dict[str, str | None]
    Strings = list[str]
    Margin = float | list[float]
    SourceName = int | str | Node
else:
    Node = Nodes = Names = Strings = Margin = SourceName = Any


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
    teacher: str | None = None  # a run on the same data, whose model this one also learns from
    teacher_weight: float = 0.7  # the teacher's share of the loss; the labels have the rest
    teacher_temperature: float = 3.0  # how much is made of the classes that the teacher thinks improbable
    name: str = "${data.name}"  # names a sweep's folder
    race: bool = False  # stop a sweep's configurations that are clearly behind, before they have run all their folds
    race_margin: float = 2.0  # how many standard errors behind that is; with few folds, as many as are as unlikely
    fail_fast: bool = False  # begin no more jobs of a sweep once one has failed
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
    """What to evaluate on, where that is not the run's own data."""

    root: str | None = None  # another folder of face crops; null is the run's own data
    store_dir: str | None = None  # decoded images; null keeps them where the run's are
    max_unreadable: float = 0.01  # share of damaged files that is tolerated
    labels: Names | None = None  # {class folder: class of the model}, where names differ


@dataclass
class CropShape:
    """What of a picture around a face's box is looked at."""

    margin: Margin = 0.15  # added on every side, as a share of the box's; or [left, top, right, bottom]
    square: bool = False  # as wide as high


@dataclass
class Crop(CropShape):
    """How a face is cut out of its photo."""

    min_side: int = 0  # pixels; faces with a shorter side, before the margin, are left out


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

    run: Strings = field(default_factory=list)  # a run folder or a checkpoint; several are compared: run=A run=B
    sweep_folder: str | None = None  # or a sweep's, whose first place is; typed as sweep=
    top: int | str = 1  # so many of the sweep's first places; "all"
    fold: int | str | None = None  # whose model; null is the first that is complete, "all" each as a model of its own
    split: str = "test"  # test, val, or all images of another data.root
    positive: str | None = None  # of two classes, the one to find; null is the second
    recalls: list[float] = field(default_factory=lambda: [0.9, 0.95, 0.99])  # operating points
    n_bootstraps: int = 2000  # of the bootstrap
    seed: int = 0  # of the bootstrap and the galleries
    device: str = "auto"  # auto, cpu, cuda
    batch_size: int = 32  # images at a time; on a GPU, more are faster
    data: EvaluationData = field(default_factory=EvaluationData)
    photos: str | None = None  # annotated photos: evaluate finding faces and classifying them together
    boxes: str | None = None  # their COCO file; null reads the Pascal VOC files among them
    classes: Names = field(default_factory=dict)  # {name in these files: class}; null leaves its faces out
    detector: Node = MISSING  # what finds the faces
    crop: Crop = field(default_factory=lambda: Crop(min_side=24))  # what of them is looked at
    costs: Costs = field(default_factory=Costs)
    report: ReportContent = field(default_factory=ReportContent)
    logger: Nodes = field(default_factory=dict)


@dataclass
class ExportConfig:
    """The keys of ``export.py``."""

    run: str | None = None  # a run folder or a checkpoint
    fold: int | None = None  # whose model; null is the first complete fold
    format: str = "onnx"  # onnx, openvino, exported_program, or the class of your own: my_module.MyFormat
    precision: str = "fp32"  # fp32, fp16, int8
    preprocessing: str = "inside"  # the graph takes uint8 images; outside: it takes the network's input
    max_drop: float | None = (
        0.005  # maximum accuracy drop on validation; > 0 allows one image at least; null: unchecked
    )
    calibration: int = 128  # int8 only: maximum number of validation images to calibrate on
    float_layers: int | None = None  # int8 only: number of leading convolutions kept in float; null is 1/12 of them
    n_bootstraps: int = 2000  # of the bootstrap
    seed: int = 0  # of the bootstrap and of the choice of calibration images
    store_dir: str | None = None  # folder of decoded images; null is the run's own


@dataclass
class PictureContent:
    """What goes into the report of a data set."""

    faces: bool = False  # embed pictures of people


@dataclass
class ExploreConfig:
    """The keys of ``prepare_data.py task=explore``."""

    task: str = "explore"
    seed: int = 0  # of what is shown
    split_seed: int = 0  # which image is in which part
    bs: int = 32  # these two are training's, which the data's node refers to
    k: int = 5
    data: Node = MISSING
    augment: Node = MISSING
    report: PictureContent = field(default_factory=PictureContent)


@dataclass
class CropConfig:
    """The keys of ``prepare_data.py task=crop``."""

    task: str = "crop"
    photos: Strings = MISSING  # a folder, or a photo; several: photos=A photos=B
    out: str = MISSING  # a folder for the crops
    labels: str | None = None  # "folder": a photo's class is the first folder that it is in
    crop: Crop = field(default_factory=Crop)
    detector: Node = MISSING
    workers: int | None = None  # photos at a time; null is as many as there are cores
    max_unreadable: float = 0.01  # share of damaged photos that is tolerated
    sheet: bool = False  # draw some of the crops into sheet.png
    seed: int = 0  # of what the sheet shows


@dataclass
class ImportConfig:
    """The keys of ``prepare_data.py task=import``."""

    task: str = "import"
    photos: Strings = MISSING  # the folder of the photos
    boxes: str | None = None  # a COCO file; null reads the Pascal VOC files among the photos
    classes: Names = MISSING  # {name in the files: class}; null leaves its faces out
    out: str = MISSING  # a folder for the crops
    crop: Crop = field(default_factory=Crop)
    workers: int | None = None  # photos at a time; null is as many as there are cores
    max_unreadable: float = 0.01  # share of damaged photos that is tolerated
    sheet: bool = False  # draw some of the crops into sheet.png
    seed: int = 0  # of what the sheet shows


@dataclass
class FaceFolder:
    """A set of faces that is there already."""

    root: str = MISSING  # one folder a class


@dataclass
class SplitConfig:
    """The keys of ``prepare_data.py task=split``."""

    task: str = "split"
    data: FaceFolder = field(default_factory=FaceFolder)
    out: str | None = None  # a folder for train/, val/ and test/; null writes the column split of the manifest
    files: str = "copy"  # how they get there: copy, or link
    val: float = 0.2  # shares of all images
    test: float = 0.2
    split_seed: int = 0
    again: bool = False  # deal a test part that the set has already, too


@dataclass
class AuditedFaces(FaceFolder):
    """A set of faces, and where its decoded images are kept."""

    store_dir: str = "data/store"


@dataclass
class Allowed:
    """How many findings of each kind are no failure; null is any number."""

    unreadable: int | None = 0  # files
    exact_duplicates: int | None = 0  # pairs of files with the same bytes
    near_duplicates: int | None = 0  # pairs of other files that are the same picture but for scaling and compression
    label_conflicts: int | None = 0  # pairs of either kind in two classes
    duplicates_across_splits: int | None = 0  # in two parts
    duplicates_across_groups: int | None = 0  # in two groups, so that folds may part them
    groups_across_splits: int | None = 0  # groups with images in two parts
    tiny: int | None = 0  # images below min_side
    extreme_aspect: int | None = 0  # images above max_aspect
    imbalance: int | None = 0  # classes with less than the largest one's images over max_imbalance


@dataclass
class AuditConfig:
    """The keys of ``prepare_data.py task=audit``."""

    task: str = "audit"
    data: AuditedFaces = field(default_factory=AuditedFaces)
    min_side: int = 8  # pixels, of the shorter side
    max_aspect: float = 3.0  # longer side over shorter
    max_imbalance: float = 10.0  # images of the largest class over those of another
    allow: Allowed = field(default_factory=Allowed)


TaskConfig = CropConfig | ImportConfig | SplitConfig | AuditConfig | ExploreConfig
# What prepare_data.py can do.
TASKS: dict[str, type[TaskConfig]] = {
    "crop": CropConfig,
    "import": ImportConfig,
    "split": SplitConfig,
    "audit": AuditConfig,
    "explore": ExploreConfig,
}


@dataclass
class InferVideoConfig:
    """The keys of ``infer_video.py``."""

    run: str = MISSING  # a run folder, a checkpoint or an exported model
    # A camera's number, an address (rtsp://…, http://…), a video, a photo, a folder of photos, or a class of your own.
    source: SourceName = 0  # typed as 'source={_target_: my_module.MySource, KEY: VALUE}'
    live: bool | None = None  # play a video as a camera would show it: at its own speed, dropping frames
    loop: bool = False  # begin a video again when it ends
    seconds: float | None = None  # stop after so many
    detect_every: int = 8  # frames from one detection to the next; faces are followed in between
    classify_every: int = 3  # frames from one look at a face to the next
    half_life: float = 0.5  # seconds after which a look counts half as much as a new one; 0 smooths nothing
    patience: float = 1.0  # seconds a face may be lost and come back as the same one
    privacy: str = "none"  # blur: make every face unrecognisable, in whatever is shown or written
    reconnect: float = 60.0  # seconds for which a camera that went away is called again
    threads: int | None = None  # of the classifier; null is as many as there are cores
    crop: CropShape = field(default_factory=CropShape)
    detector: Node = MISSING
    sink: Nodes = field(default_factory=dict)
