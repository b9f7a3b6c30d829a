"""Each typing mistake gets one clear sentence, exit code 2 and no stack trace, and leaves no files."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from commands import assert_refused, call_command
from conftest import PROJECT, write_faces

Prepare = Callable[[Path], object]


def nothing(folder: Path) -> None:
    """No preparation is needed."""


def texts_named_jpg(folder: Path) -> None:
    for label in ("mask", "no_mask"):
        (folder / "texts" / label).mkdir(parents=True)
        for i in range(20):
            (folder / f"texts/{label}/{i}.jpg").write_text("hello")


def one_class(folder: Path) -> None:
    write_faces(folder / "one", {"mask": 9})


def empty_class(folder: Path) -> None:
    write_faces(folder / "empty", {"mask": 9})
    (folder / "empty/no_mask").mkdir()


def leaking_manifest(folder: Path) -> None:
    root = write_faces(folder / "leak", {"a": 9, "b": 9})
    rows = [f"{path.relative_to(root)},p,{'test' if path.stem == '000' else 'train'}" for path in root.rglob("*.png")]
    (root / "manifest.csv").write_text("\n".join(["file,photo,split", *rows]))


def few_groups(folder: Path) -> None:
    write_faces(folder / "few", {"a": 30, "b": 3})


def file_in_the_way(folder: Path) -> None:
    (folder / "file").write_text("")


def broken_run(folder: Path) -> None:
    (folder / "run/fold-0").mkdir(parents=True)
    shutil.copy(Path(__file__), folder / "run/config.yaml")


def cut_checkpoint(folder: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, folder / "cut.pth")
    (folder / "cut.pth").write_bytes((folder / "cut.pth").read_bytes()[:300])


WRONG: list[tuple[str, Prepare, str]] = [
    # keys and groups
    ("lrr=1e-3", nothing, "lrr is not a key; did you mean lr?"),
    ("+unknown=1", nothing, "unknown is not a key of train.py; choose from: "),
    ("dropout=0.1", nothing, "dropout is not a key; did you mean model.dropout?"),
    ("model.dropuot=0.1", nothing, "model.dropuot is not a key; did you mean model.dropout?"),
    (
        "+data.roots=x",
        nothing,
        "data.roots is not an argument of facemask.data.datamodule.FaceDataModule; did you mean root?",
    ),
    ("model=mobilnet", nothing, "model=mobilnet: there is no such model; did you mean mobilenetv2 or mobilenetv3?"),
    ("data=xyz", nothing, "data=xyz: there is no such data; choose from: demo, faces3, folder, sfmask, sfmask10."),
    ("schedule=null", nothing, "a config group cannot be null; choose one of its files"),
    ("faces", nothing, "'faces' has no key; did you mean KEY=faces? --help lists the keys."),
    ("name=../evil -m lr=1,2", nothing, "name=../evil must be the name of a folder below outputs/sweeps"),
    ("monitor=AUROC", nothing, "monitor=AUROC is not a validation metric; did you mean val/auroc?"),
    # values
    ("lr=abc", nothing, "lr must be a number, got abc."),
    ("lr=-1", nothing, "lr must be a positive number, got -1.0."),
    ("bs=0", nothing, "bs must be at least 1, got 0."),
    ("bs=1.5", nothing, "bs must be an integer, got 1.5."),
    ("fold=7 k=5", nothing, "fold must be between 0 and 4 (k=5), or 'all', got 7."),
    ("lr=1e-2,1e-3", nothing, "lr=1e-2,1e-3 has several comma-separated values. Quote a literal comma"),
    ("-m lr=abc,1e-3", nothing, "lr must be a number, got abc."),
    ("data.fraction=2", nothing, "data.fraction must be less than or equal to 1, got 2."),
    ("augment.without=[rotate]", nothing, "augment.without names 'rotate', which is not a step of this pipeline"),
    ("monitor=val/auc", nothing, "monitor=val/auc is not a validation metric; did you mean val/auroc?"),
    ("bs", nothing, "'bs' has no key; did you mean KEY=bs?"),
    ("fold=1.5", nothing, "fold must be an integer or a string, got 1.5."),
    ("--lr 1e-3", nothing, "--lr is not a flag; set keys without dashes: lr=VALUE"),
    ("--config-name foo", nothing, "there is no configuration file conf/foo.yaml."),
    ("-m bs=16,32 --cfg job", nothing, "--cfg shows a single configuration; remove -m"),
    ("trainer.devices=2", nothing, "trainer.devices=2 needs several processes; type trainer=ddp trainer.devices=2"),
    (
        "+trainer.num_nodes=2",
        nothing,
        "trainer.num_nodes must be 1, got 2: torchrun and srun set the number of machines",
    ),
    (
        "trainer=ddp trainer.accelerator=cpu trainer.devices=2 bs=5",
        nothing,
        "bs=5 must be divisible by the number of processes, 2",
    ),
    (
        "+trainer.strategy=ddp",
        nothing,
        "trainer.strategy=ddp is not supported; to train in several processes, type trainer=ddp",
    ),
    (
        "race=true",
        nothing,
        "race=true compares the configurations of a sweep, but this is a single run; add -m, or remove race=true.",
    ),
    ("race_margin=-1", nothing, "race_margin must be at least 0 standard errors, got -1.0."),
    ("-m launcher=ray lr=1,2", nothing, "hydra/launcher=ray is not installed; type: pip install 'facemask[ray]'"),
    # contradictions
    ("model.freeze=backbone augment.mixup=0.2", nothing, "augment.mixup=0.2 blends images"),
    ("augment.views=3", nothing, "augment.views=3 only applies when model.freeze=backbone (cached features)"),
    ("model.freeze=until=blocks.1 augment.views=3", nothing, "remove augment.views, or set model.freeze=backbone"),
    (
        "model.freeze=backbone model.pretrained=false",
        nothing,
        "without pretrained weights would freeze randomly initialised layers",
    ),
    ("model=cnn model.input_size=8", nothing, "the model fails with bs=32 and 8 pixels"),
    (
        "model.freeze=until=block.3",
        nothing,
        "model.freeze=until=block.3: there is no such stage; choose from: conv_stem",
    ),
    # data
    ("data=sfmask", nothing, "data.root=data/sfmask does not exist; get SF-MASK from its public page"),
    ("data=folder", nothing, "data.root has no value; give it one: data.root="),
    ("data=folder data.root={}/nowhere", nothing, "nowhere does not exist; give a folder with one subfolder per class"),
    ("data=folder data.root={}/texts", texts_named_jpg, "cannot be read, more than data.max_unreadable=0.01 allows"),
    ("data=folder data.root={}/one", one_class, "contains only the class 'mask'"),
    ("data=folder data.root={}/empty", empty_class, "class folder 'no_mask' of data.root="),
    ("data=folder data.root={}/leak", leaking_manifest, "1 groups are on both sides of the existing split"),
    ("data=folder data.root={}/few", few_groups, "class 'b' has 3 groups of images, too few for 5 parts"),
    ("data=demo data.root={}", file_in_the_way, "data=demo generates its own set, but data.root="),
    ("data.root={}/nowhere", nothing, "nowhere does not exist; give a folder with one subfolder per class"),
    # weights and checkpoints
    ("model=efficientnet", nothing, "the pretrained weights of efficientnet_b0 are not available"),
    ("model=timm", nothing, "model.name has no value; give it one: model.name="),
    (
        "model=timm model.name=mobilenetv9",
        nothing,
        "model.name=mobilenetv9 is not a timm network; did you mean",
    ),
    ("model.pretrained={}/none.pth", nothing, "none.pth is not a file; give a checkpoint, true, or false."),
    ("model.pretrained={}/cut.pth", cut_checkpoint, "cut.pth is not a weights file that can be read safely"),
    # folders and runs
    ("hydra.run.dir=/proc/outputs", nothing, "/proc/outputs cannot be written or read"),
    ("hydra.run.dir={}/file/run", file_in_the_way, "/file/run cannot be written or read (Not a directory)"),
    ("data.store_dir={}/file/store", file_in_the_way, "cannot be written (Not a directory); choose a writable folder"),
    (
        "resume={}/nowhere",
        nothing,
        "nowhere is not a run folder: it has no config.yaml; give the folder that a run printed.",
    ),
    ("resume={}/file", file_in_the_way, "/file is a file; choose a folder."),
    ("resume={}/run", broken_run, "/run/config.yaml cannot be read"),
    ("resume={}/run lr=1", nothing, "uses the configuration of that run; remove lr=1."),
    # hardware and accounts
    ("trainer.accelerator=gpu", nothing, "the trainer cannot be built with these settings"),
    ("logger=wandb WANDB_MODE=online", nothing, "logger.wandb.mode=offline"),
]


@pytest.mark.parametrize(("typed", "prepare", "expected_error"), WRONG, ids=[words for words, _, _ in WRONG])
def test_one_sentence_exit_code_two_and_no_trace(
    workdir: Path, tmp_path: Path, typed: str, prepare: Prepare, expected_error: str
) -> None:
    prepare(tmp_path)
    words = typed.replace("{}", str(tmp_path)).split()
    environment = dict(word.split("=") for word in words if word.isupper() or word.startswith("WANDB"))
    own = [word for word in words if word not in (f"{k}={v}" for k, v in environment.items())]
    folder = [] if any("run.dir" in word or "resume" in word for word in own) else [f"hydra.run.dir={tmp_path}/new"]
    if torch.cuda.is_available() and "trainer.accelerator=gpu" in own:
        pytest.skip("there is a GPU here")
    done = call_command(PROJECT / "train.py", [*own, *folder], workdir, environment)
    assert_refused(done, expected_error)
    assert "Error executing job" not in done.err
    leftover = tmp_path / "new"
    if leftover.exists():  # the run had begun: it says that it failed, and why
        assert '"status": "failed"' in (leftover / "result.json").read_text()
