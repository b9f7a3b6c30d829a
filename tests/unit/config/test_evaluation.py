"""``evaluate.py`` uses every key that is set, or rejects it with one sentence."""

import pytest

from facemask.config.checks.evaluation import CROPS_ONLY, PHOTOS_ONLY, resolve_evaluation
from facemask.config.compose import compose
from facemask.config.keys import flatten
from facemask.config.schemas import EvaluateConfig
from facemask.config.typed import to_plain
from facemask.errors import ConfigError

USED_BY_BOTH = {
    "run",
    "fold",
    "n_bootstraps",
    "seed",
    "device",
    "photos",
    "data.store_dir",
    "report.faces",
    "report.pictures",
    "report.title",
    "private",
    "merge",
    "trust",
}
REJECTED_BY_OTHER_CHECKS = {"sweep_folder", "top", "split", "data.root"}  # with photos=


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("positive=mask", "positive=mask only applies to face crops and is not used with photos=; remove it."),
        ("recalls=[0.5]", "recalls=[0.5] only applies to face crops"),
        ("costs.missed=2", "costs.missed=2 only applies to face crops"),
        ("costs.false_alarm=2", "costs.false_alarm=2 only applies to face crops"),
        ("batch_size=64", "batch_size=64 only applies to face crops"),
        ("logger=wandb", "logger= only applies to face crops"),
        ("data.max_unreadable=0.5", "data.max_unreadable=0.5 only applies to face crops"),
        ("data.labels={compliant: mask}", "data.labels= only applies to face crops"),
        ("sets=faces", "photos=photos is not used with sets=; remove it."),
        ("data.root=faces", "photos= cannot be combined with data.root= or split="),
        ("split=all", "photos= cannot be combined with data.root= or split="),
        ("top=2", "top=2 only applies to the ranking of a sweep"),
    ],
)
def test_evaluating_photos_rejects_keys_of_face_crops(words: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_evaluation(compose("evaluate", ["run=a", "photos=photos", words]))
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("boxes=boxes.json", "boxes=boxes.json only applies to annotated photos; add photos=FOLDER"),
        ("classes=binary", "classes= only applies to annotated photos"),
        ("classes.mask=covered", "classes= only applies to annotated photos"),
        ("detector=haar", "detector= only applies to annotated photos"),
        ("detector.threshold=0.9", "detector= only applies to annotated photos"),
        ("crop.margin=0.3", "crop.margin=0.3 only applies to annotated photos"),
        ("crop.square=true", "crop.square=True only applies to annotated photos"),
        ("crop.min_side=30", "crop.min_side=30 only applies to annotated photos"),
        ("top=all", "top=all only applies to the ranking of a sweep; add sweep=FOLDER"),
    ],
)
def test_evaluating_face_crops_rejects_keys_of_photos(words: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_evaluation(compose("evaluate", ["run=a", words]))
    assert expected in str(caught.value)


def test_used_keys_pass_the_checks() -> None:
    words = [
        "fold=1",
        "n_bootstraps=200",
        "seed=3",
        "device=cpu",
        "data.store_dir=s",
        "report.faces=true",
        "report.title=T",
    ]
    faces = ["positive=b", "recalls=[0.5]", "costs.missed=2", "batch_size=8", "logger=wandb"]
    faces += ["data.root=x", "split=all", "data.labels={compliant: mask}", "data.max_unreadable=0.5"]
    photos = ["boxes=b.json", "classes=binary", "detector=haar", "crop.margin=[0,0.1,0,0]", "crop.min_side=9"]
    photos += ["unsure.min_side=24", "unsure.min_probability=0.8", "report.pictures=3"]
    config = resolve_evaluation(compose("evaluate", ["run=a", *words, *faces]))
    assert (config.run, config.fold, config.costs.missed, config.report.title) == (["a"], 1, 2.0, "T")
    assert config.data.labels == {"compliant": "mask"}
    config = resolve_evaluation(compose("evaluate", ["run=a", "photos=p", *words, *photos]))
    assert (config.photos, config.crop.min_side, config.detector.class_name) == ("p", 9, "Haar")
    assert config.classes["with_mask"] == "compliant"
    config = resolve_evaluation(compose("evaluate", ["sweep_folder=s", "top=3"]))
    assert (config.run, config.top) == ([], 3)


def test_every_key_is_classified_as_used_or_rejected() -> None:
    plain = to_plain(EvaluateConfig())
    keys = {key for key, _ in flatten(plain)} | {"classes", "logger"}  # mappings that are empty by default
    assert keys == USED_BY_BOTH | REJECTED_BY_OTHER_CHECKS | {*CROPS_ONLY} | {*PHOTOS_ONLY}
