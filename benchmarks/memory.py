"""Does the memory of a process grow over the jobs of a sweep, and are processes or files left behind?

    python benchmarks/memory.py                                   60 fits of the small network, in about two minutes
    python benchmarks/memory.py model=mobilenetv2 model.input_size=32      any keys of train.py

Twelve runs of five folds, one after the other in this process, as a sweep makes them. Prints the resident memory, open
files, threads and child processes after each run, and the ratio of the memory after 60 fits to that after 5. Reads
/proc, so Linux only.
"""

import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from facemask.config.checks.training import resolve_training
from facemask.config.compose import compose
from facemask.training.fit import fit_folds

PROJECT = Path(__file__).parent.parent
RUNS, FOLDS = 12, 5
OWN = "pymp-"  # multiprocessing's folder, which goes when the process ends
SMALL = ["model=cnn", "trainer.limit_train_batches=3", "epochs=2", "data.root=data/demo"]


def resident() -> float:
    """Return the memory that this process holds, MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def children() -> list[str]:
    """Return this process's children, zombies among them, each by its state and name."""
    pid, found = str(os.getpid()), []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = status.read_text().partition("(")[2].rpartition(")")
        except OSError:  # it has ended
            continue
        if rest.split()[1] == pid:
            found.append(f"{rest.split()[0]} {name}")
    return found


def main() -> None:
    """Fit, and count."""
    table = Table("fits", "resident MiB", "open files", "threads", "children")
    held = []
    before = set(os.listdir(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory() as folder:
        for i in range(RUNS):
            words = ["fold=all", f"k={FOLDS}", f"lr={1e-3 * (i + 1)}", f"data.store_dir={folder}/store"]
            fit_folds(resolve_training(compose("train", [*SMALL, *words, *sys.argv[1:]])), Path(folder, str(i)))
            held.append(resident())
            files, threads = (len(os.listdir(f"/proc/self/{name}")) for name in ("fd", "task"))
            table.add_row(
                str((i + 1) * FOLDS), f"{held[-1]:.0f}", str(files), str(threads), " ".join(children()) or "–"
            )
    console = Console()
    console.print(table)
    console.print(f"memory after {RUNS * FOLDS} fits / after {FOLDS}: {held[-1] / held[0]:.2f}")
    left = sorted(name for name in set(os.listdir(tempfile.gettempdir())) - before if not name.startswith(OWN))
    console.print(f"new in {tempfile.gettempdir()}: {', '.join(left) or 'nothing'}")


if __name__ == "__main__":
    main()
