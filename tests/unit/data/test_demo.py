"""The generated demo set has three classes and whole faces, is the same everywhere, and overwrites no folder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facemask.config.preparation_schemas import AuditConfig, AuditedFaces
from facemask.data.demo import MARK, make_demo
from facemask.data.index import index
from facemask.errors import DataError
from facemask.preparation.auditing import audit

pytestmark = pytest.mark.slow  # it draws the whole set several times


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "demo"
    make_demo(root)
    return root


def test_it_has_three_classes_of_a_hundred_faces_each_of_many_sizes(demo: Path) -> None:
    table = index(demo)
    assert table["label"].value_counts().to_dict() == {"mask": 400, "no_mask": 400, "wrong_mask": 200}
    assert table["group"].nunique() == 100
    assert (table.groupby("group").size() == 10).all()
    sizes = np.array([Image.open(demo / path).size for path in table["path"]])
    assert sizes.min() == 12
    assert sizes.max() == 48
    assert len(np.unique(sizes[:, 0])) > 30


def test_it_passes_its_own_audit(demo: Path, tmp_path: Path) -> None:
    data = AuditedFaces(root=str(demo), store_dir=str(tmp_path / "store"))
    assert audit(AuditConfig(data=data), tmp_path / "audit").findings.empty


def test_the_demo_set_is_always_the_same(demo: Path, tmp_path: Path) -> None:
    make_demo(tmp_path / "again")
    for path in index(demo)["path"]:
        assert (demo / path).read_bytes() == (tmp_path / "again" / path).read_bytes()


def test_the_demo_set_is_generated_once_per_version(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    make_demo(root)
    (root / "mask/face000_0.png").unlink()
    make_demo(root)
    assert not (root / "mask/face000_0.png").exists()
    (root / MARK).write_text("an older one")
    make_demo(root)
    assert (root / "mask/face000_0.png").exists()


def test_the_demo_set_never_overwrites_another_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/photo.jpg").write_bytes(b"precious")
    with pytest.raises(DataError, match="contains other files; for your own folder use data=folder"):
        make_demo(tmp_path / "mine")
    assert (tmp_path / "mine/photo.jpg").read_bytes() == b"precious"


def test_an_interrupted_demo_set_is_generated_again(tmp_path: Path) -> None:
    (tmp_path / "demo.partial/mask").mkdir(parents=True)
    (tmp_path / "demo.partial/mask/rubbish.png").write_bytes(b"")
    make_demo(tmp_path / "demo")
    assert len(index(tmp_path / "demo")) == 1000


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="the demo set cannot be written to data.root="):
        make_demo(tmp_path / "file/demo")
