"""The store contains the right pixels, is built once, and survives an interrupted build."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import write_faces
from facemask.data import store as store_module
from facemask.data.index import index
from facemask.data.pictures import read_image
from facemask.data.preprocessing import square
from facemask.data.store import check_readable, fingerprint, open_store, samples_digest
from facemask.errors import DataError


def open_faces(faces: Path, folder: Path, size: int = 16) -> store_module.Store:
    return open_store(faces, index(faces)["path"].tolist(), size, folder)


def test_the_store_contains_every_image_padded_in_order(faces: Path, tmp_path: Path) -> None:
    store = open_faces(faces, tmp_path)
    assert isinstance(store.images, np.memmap)
    assert store.images.shape == (40, 16, 16, 3)
    for row, path in enumerate(store.samples["path"]):
        assert (store.images[row] == square(read_image(faces / path), 16)).all()
    assert (store.samples[["width", "height"]] == 12).all(axis=None)


def test_a_second_opening_decodes_nothing(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_faces(faces, tmp_path)
    monkeypatch.setattr(store_module, "read_image", lambda path: pytest.fail("decoded again"))
    second = open_faces(faces, tmp_path)
    assert second.digest == first.digest
    assert (second.images == first.images).all()


def test_a_changed_file_or_option_builds_a_new_store(tmp_path: Path) -> None:
    root = write_faces(tmp_path / "set", {"a": 2, "b": 2})
    first = open_faces(root, tmp_path / "store")
    assert open_faces(root, tmp_path / "store", size=8).images.shape[1] == 8
    write_faces(root, {"a": 1, "b": 1}, seed=5)
    second = open_faces(root, tmp_path / "store")
    assert second.digest != first.digest
    assert (second.images[0] != first.images[0]).any()


def test_unreadable_files_are_listed_and_limited(tmp_path: Path) -> None:
    root = write_faces(tmp_path / "set", {"a": 5, "b": 5})
    (root / "a/003.png").write_text("not a picture")
    store = open_faces(root, tmp_path / "store")
    bad = check_readable(store, allowed=0.1)
    assert bad["path"].tolist() == ["a/003.png"]
    assert "cannot identify image file" in bad["error"][0]
    with pytest.raises(DataError, match=r"1 of 10 images \(10.0%\) cannot be read.*a/003.png"):
        check_readable(store, allowed=0.09)


def test_the_fingerprint_depends_on_the_data_and_not_on_their_path(tmp_path: Path) -> None:
    prints = []
    for place, change in (("one", False), ("two", False), ("three", True)):
        root = write_faces(tmp_path / place, {"a": 2, "b": 2})
        table = index(root)
        if change:
            table.loc[0, "label"] = "b"
        prints.append(fingerprint(open_faces(root, tmp_path / "store"), table))
    assert prints[0] == prints[1] != prints[2]


def test_the_digest_of_samples_depends_on_the_data_and_not_on_the_stored_size(tmp_path: Path) -> None:
    root = write_faces(tmp_path / "faces", {"a": 2, "b": 2})
    table = index(root)
    stores = [open_store(root, table["path"].tolist(), size, tmp_path / "store") for size in (8, 16)]
    assert fingerprint(stores[0], table) != fingerprint(stores[1], table)
    assert samples_digest(stores[0], table) == samples_digest(stores[1], table)
    assert samples_digest(stores[0], table.assign(label="b")) != samples_digest(stores[0], table)


def _open_in_process(faces: Path, folder: Path, queue: "multiprocessing.Queue[str]") -> None:
    queue.put(open_faces(faces, folder).digest)


@pytest.mark.slow
def test_two_processes_at_once_get_one_store(faces: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_open_in_process, args=(faces, tmp_path, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    digests = {queue.get(timeout=120) for _ in workers}
    for worker in workers:
        worker.join()
    assert len(digests) == 1
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


@pytest.mark.slow
def test_a_killed_build_leaves_no_file_that_looks_like_a_store(faces: Path, tmp_path: Path) -> None:
    code = textwrap.dedent(
        r"""
        import os, sys, time
        from pathlib import Path
        from facemask.data import store
        from facemask.data.index import index
        read = store.read_image
        def slow(path):
            if "no_mask" in str(path):
                os.write(1, b"half-way\n")  # at once, though several threads are at it
                time.sleep(60)
            return read(path)
        store.read_image, store.CHUNK = slow, 8
        root, folder = Path(sys.argv[1]), Path(sys.argv[2])
        store.open_store(root, index(root)["path"].tolist(), 16, folder)
        """
    )
    builder = subprocess.Popen([sys.executable, "-c", code, str(faces), str(tmp_path)], stdout=subprocess.PIPE)
    assert builder.stdout is not None
    assert builder.stdout.readline() == b"half-way\n"
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    builder.stdout.close()
    assert [path.suffix for path in tmp_path.iterdir() if path.is_dir()] == [".partial"]
    store = open_faces(faces, tmp_path)
    assert store.samples["error"].eq("").all()
    assert not list(tmp_path.glob("*.partial"))


def test_stale_partial_builds_are_removed_and_running_ones_are_kept(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "abandoned.partial").mkdir()
    (tmp_path / "busy.partial").mkdir()
    with store_module.FileLock(tmp_path / "busy.lock"):
        open_faces(faces, tmp_path)
        assert not (tmp_path / "abandoned.partial").exists()
        assert (tmp_path / "busy.partial").exists()


def test_a_truncated_store_is_rebuilt(faces: Path, tmp_path: Path) -> None:
    digest = open_faces(faces, tmp_path).digest
    file = next(tmp_path.glob("*/images.npy"))
    os.truncate(file, file.stat().st_size // 2)
    assert open_faces(faces, tmp_path).digest == digest


def test_a_full_disk_is_one_sentence_and_leaves_no_rubbish(faces: Path, tmp_path: Path) -> None:
    code = textwrap.dedent(
        r"""
        import resource, sys
        from pathlib import Path
        from facemask.data.index import index
        from facemask.data.store import open_store
        from facemask.errors import DataError
        root, folder = Path(sys.argv[1]), Path(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
        try:
            open_store(root, index(root)["path"].tolist(), 16, folder)
        except DataError as error:
            print(error)
        """
    )
    done = subprocess.run([sys.executable, "-c", code, str(faces), str(tmp_path)], capture_output=True, text=True)
    assert "not enough disk space: the decoded images need 0 MB in data.store_dir" in done.stdout, done.stderr
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_other_disk_errors_are_not_reported_as_a_full_disk(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> pd.DataFrame:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(store_module, "_decode", fail)
    with pytest.raises(DataError, match=r"cannot be written \(Read-only file system\); choose a writable folder"):
        open_faces(faces, tmp_path)


def test_decoding_shows_its_progress(faces: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    open_faces(faces, tmp_path)
    assert "Decoding 40 images, once" in capfd.readouterr().err
