"""``python limited.py LIMITS SCRIPT WORDS``: run a command where memory, files or the disk are scarce.

Limits, separated by commas: ``shm=64k`` (size of /dev/shm), ``files=20`` (open files), ``size=40960`` (largest file,
bytes), ``disk=FOLDER:64k`` (size of the disk of a folder), ``read=FOLDER`` (a disk that cannot be written).
"""

import ctypes
import os
import resource
import runpy
import sys

CLONE_NEWNS, MS_RDONLY, MS_PRIVATE = 0x20000, 1, 0x44000
LIBC = ctypes.CDLL(None, use_errno=True)


def mount(folder: str, size: str, flags: int = 0) -> None:
    done = LIBC.mount(b"tmpfs", folder.encode(), b"tmpfs", flags, f"size={size}".encode())
    if done:
        raise OSError(ctypes.get_errno(), "mount")


def limit(kind: str, value: str) -> None:
    if kind in ("shm", "disk", "read"):  # in a mount namespace of this process alone
        if LIBC.unshare(CLONE_NEWNS) or LIBC.mount(None, b"/", None, MS_PRIVATE, None):
            raise OSError(ctypes.get_errno(), "unshare")
        folder, _, size = value.rpartition(":")
        if kind == "shm":
            mount("/dev/shm", value)
        else:
            os.makedirs(folder or value, exist_ok=True)
            mount(*((folder, size) if kind == "disk" else (value, "1m", MS_RDONLY)))
    else:
        which = resource.RLIMIT_NOFILE if kind == "files" else resource.RLIMIT_FSIZE
        resource.setrlimit(which, (int(value), int(value)))


if __name__ == "__main__":
    for word in sys.argv[1].split(","):
        limit(*word.split("=", 1))
    sys.argv = sys.argv[2:]
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")
