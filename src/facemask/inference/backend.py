"""What runs a model file, and what every exported one promises: its input, its output and the record it carries."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from facemask.data.preprocessing import Pixels, Preprocessing
from facemask.errors import ModelError, first_line

METADATA = "facemask"  # the key, in whatever the format has for metadata, of the record and of facts about the model
INPUT, OUTPUT = "images", "probabilities"
Probabilities = npt.NDArray[np.float32]


class Backend(NamedTuple):
    """An opened model.

    Attributes:
        record: how it is fed.
        run: uint8[N, store_size, store_size, 3] -> probabilities, float32[N, C], for N from 1 on.
    """

    record: Preprocessing
    run: Callable[[Pixels], Probabilities]


class Port(NamedTuple):
    """An input or output of a graph.

    Attributes:
        dtype: as NumPy calls it.
        shape: with -1 for what may vary.
    """

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join('N' if side < 0 else str(side) for side in self.shape)}]"


def write_metadata(record: Preprocessing, facts: dict[str, Any]) -> str:
    """Return the words that a file carries."""
    return json.dumps({"preprocessing": record.to_dict(), "about": facts})


def read_metadata(file: Path, words: str | None) -> Preprocessing:
    """Return the record out of the words that a file carries.

    Raises:
        ModelError: it carries none, or they are damaged.
    """
    if not words:
        raise ModelError(f"{file} was not written by export.py: it says nothing of classes and preprocessing.")
    try:
        return Preprocessing.from_dict(json.loads(words)["preprocessing"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"what {file} says of classes and preprocessing cannot be read; export the run anew."
        ) from error


def cannot_open(file: Path, library: str, version: str, error: Exception) -> ModelError:
    """Return what to raise where a library does not take a file: damaged or too new, which only its own words tell."""
    return ModelError(
        f"{library} {version} cannot open {file} ({first_line(error)}): if it is damaged, export the run anew; if it "
        f"opens elsewhere, install a newer {library}."
    )


def wanted_input(record: Preprocessing, is_inside: bool) -> Port:
    """Return what a graph takes, with the preprocessing inside it or outside."""
    if is_inside:
        return Port("uint8", (-1, record.store_size, record.store_size, 3))
    return Port("float32", (-1, 3, record.input_size, record.input_size))


def as_backend(
    file: Path,
    record: Preprocessing,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    run: Callable[[Any], Probabilities],
) -> Backend:
    """Return a graph as a backend, its preprocessing done here where it is not inside.

    Args:
        file: where it came from.
        record: the record it carries.
        inputs: of the graph.
        outputs: of the graph.
        run: calls the graph.

    Raises:
        ModelError: it takes or gives something other than its record says.
    """
    allowed = [wanted_input(record, is_inside) for is_inside in (True, False)]
    if len(inputs) != 1 or inputs[0] not in allowed:
        raise ModelError(
            f"{file} takes {', '.join(map(str, inputs)) or 'nothing'}, and by its record it should take {allowed[0]} "
            f"or {allowed[1]}; export the run anew."
        )
    classes = len(record.class_names)
    if len(outputs) != 1 or outputs[0] != Port("float32", (-1, classes)):
        raise ModelError(
            f"{file} gives {', '.join(map(str, outputs)) or 'nothing'}, and by its record it knows the {classes} "
            f"classes {', '.join(record.class_names)}; export the run anew."
        )
    if inputs[0] == allowed[0]:
        return Backend(record, run)

    def preprocess_and_run(squares: Pixels) -> Probabilities:
        return run(record.normalise_array(np.asarray(squares)))

    return Backend(record, preprocess_and_run)
