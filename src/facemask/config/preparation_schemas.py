"""Keys of each task of ``prepare_data.py``, with their types and defaults."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omegaconf import MISSING

from facemask.config.schemas import Crop, Names, Sources, Strings

# Untyped when OmegaConf composes, see facemask.config.schemas.
if TYPE_CHECKING:
    from facemask.config.component import Component as Node
    from facemask.config.roots import Root
else:
    Node = Root = Any


@dataclass
class PictureContent:
    """Content of a data set report."""

    faces: bool = False  # embed images of people


@dataclass
class ExploreConfig:
    """Keys of ``prepare_data.py task=explore``."""

    task: str = "explore"
    private: bool = False  # create files and folders that only the current user can read
    seed: int = 0  # seed of the choice of images
    split_seed: int = 0  # seed of the split into folds and held-out test set
    bs: int = 32  # bs and k are interpolated by conf/data/folder.yaml
    k: int = 5
    data: Node = MISSING
    augment: Node = MISSING
    report: PictureContent = field(default_factory=PictureContent)


@dataclass
class CropConfig:
    """Keys of ``prepare_data.py task=crop``."""

    task: str = "crop"
    photos: Strings = MISSING  # folder or photo; several: photos=A photos=B
    out: str = MISSING  # output folder of the crops
    labels: str | None = None  # "folder": the class of a photo is its first folder below photos=
    crop: Crop = field(default_factory=Crop)
    detector: Node = MISSING
    workers: int | None = None  # number of photos processed in parallel; null = number of cores
    max_unreadable: float = 0.01  # maximum fraction of unreadable photos
    max_faces: int = 1000  # maximum number of faces per photo; a photo with more counts as unreadable
    private: bool = False  # create files and folders that only the current user can read
    sheet: bool = False  # draw a sample of the crops into sheet.png
    seed: int = 0  # seed of that sample


@dataclass
class Source:
    """One of several sets of annotated photos."""

    photos: str  # folder of the photos
    boxes: str = "auto"  # as in ImportConfig
    classes: Names = field(default_factory=dict)  # classes of its own names, which win over those of all sets


@dataclass
class ImportConfig:
    """Keys of ``prepare_data.py task=import``."""

    task: str = "import"
    photos: Strings = field(default_factory=list)  # folder of the photos; several: photos=A photos=B
    boxes: str = "auto"  # format of the annotations (auto, coco, voc, cvat, labelme, csv, yolo), or their place
    difficult: bool = False  # also crop faces that are marked as difficult, and crowds
    # Own photos, boxes and classes of each of several sets, by name; a set of photos= is named like its folder.
    sources: Sources = field(default_factory=dict)
    classes: Names = MISSING  # {name in the annotations: class}; null excludes the faces of a name
    out: str = MISSING  # output folder of the crops
    crop: Crop = field(default_factory=Crop)
    workers: int | None = None  # number of photos processed in parallel; null = number of cores
    max_unreadable: float = 0.01  # maximum fraction of unreadable photos
    max_faces: int = 1000  # maximum number of faces per photo; a photo with more counts as unreadable
    private: bool = False  # create files and folders that only the current user can read
    sheet: bool = False  # draw a sample of the crops into sheet.png
    seed: int = 0  # seed of that sample


@dataclass
class FaceFolder:
    """An existing data set of face crops."""

    root: Root = MISSING  # folder with one subfolder per class, archive or table, or a list of them
    groups: str | None = None  # regular expression that finds the group of an image in its file name


@dataclass
class SplitConfig:
    """Keys of ``prepare_data.py task=split``."""

    task: str = "split"
    data: FaceFolder = field(default_factory=FaceFolder)
    out: str | None = None  # output folder of train/, val/ and test/; null = write the column split of the manifest
    files: str = "copy"  # how images get into out=: copy, or link (hard links)
    val: float = 0.2  # fraction of all images
    test: float = 0.2  # fraction of all images
    split_seed: int = 0
    again: bool = False  # also redistribute the images of an existing test set


@dataclass
class AuditedFaces(FaceFolder):
    """An existing data set, and the folder of its cached decoded images."""

    store_dir: str = "data/store"


@dataclass
class Allowed:
    """Maximum number of findings of each kind before the audit fails; null = any number."""

    unreadable: int | None = 0  # files that cannot be decoded
    exact_duplicates: int | None = 0  # pairs of files with the same bytes
    near_duplicates: int | None = 0  # pairs of different files that show the same image, rescaled or recompressed
    # Pairs in different groups of which one image is the other, turned, mirrored, enlarged or recoloured
    altered_copies: int | None = 0
    label_conflicts: int | None = 0  # pairs of duplicates in different classes
    duplicates_across_splits: int | None = 0  # pairs of duplicates in different splits
    duplicates_across_groups: int | None = 0  # pairs of duplicates in different groups, which folds may separate
    groups_across_splits: int | None = 0  # groups with images in several splits
    tiny: int | None = 0  # images smaller than min_side
    extreme_aspect: int | None = 0  # images with an aspect ratio above max_aspect
    flat: int | None = 0  # images that are almost black, or of one colour
    imbalance: int | None = 0  # classes with fewer images than the largest class / max_imbalance


@dataclass
class AuditConfig:
    """Keys of ``prepare_data.py task=audit``."""

    task: str = "audit"
    data: AuditedFaces = field(default_factory=AuditedFaces)
    min_side: int = 8  # minimum length of the shorter side, in pixels
    max_aspect: float = 3.0  # maximum ratio of the longer to the shorter side
    max_imbalance: float = 10.0  # maximum ratio of the largest class's images to another class's
    copies: bool | None = None  # look for altered copies; null = in sets of up to 10,000 images, which takes minutes
    group: bool = False  # write groups into manifest.csv that keep duplicates together
    allow: Allowed = field(default_factory=Allowed)


TaskConfig = CropConfig | ImportConfig | SplitConfig | AuditConfig | ExploreConfig
# Schema of each task of prepare_data.py.
TASKS: dict[str, type[TaskConfig]] = {
    "crop": CropConfig,
    "import": ImportConfig,
    "split": SplitConfig,
    "audit": AuditConfig,
    "explore": ExploreConfig,
}
