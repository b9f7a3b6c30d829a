"""What opens and runs a model file, and the metadata and signature that every exported file has."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from facemask.data.preprocessing import Pixels, Preprocessing
from facemask.errors import ModelError, first_line

METADATA = "facemask"  # key of our entry in the metadata that each file format has
INPUT, OUTPUT = "images", "probabilities"
Probabilities = npt.NDArray[np.float32]


class Backend(NamedTuple):
    """An opened model.

    Attributes:
        preprocessing: how its input is prepared.
        run: uint8[N, store_size, store_size, 3] -> probabilities, float32[N, C], for N >= 1.
        library: name of the library that runs it.
    """

    preprocessing: Preprocessing
    run: Callable[[Pixels], Probabilities]
    library: str = "a library of its own"


class TensorSpec(NamedTuple):
    """Type and shape of an input or output.

    Attributes:
        dtype: NumPy's name of it.
        shape: with -1 for a dynamic dimension.
    """

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join('N' if side < 0 else str(side) for side in self.shape)}]"


def write_metadata(preprocessing: Preprocessing, facts: Mapping[str, object]) -> str:
    """Return the metadata of a file as JSON.

    Args:
        preprocessing: preprocessing of the model.
        facts: JSON-compatible facts about the model.
    """
    return json.dumps({"preprocessing": preprocessing.to_dict(), "about": dict(facts)})


def read_metadata(file: Path, metadata: str | None) -> Preprocessing:
    """Return the preprocessing from the metadata of a file.

    Args:
        file: file of the metadata, for errors.
        metadata: JSON from :func:`write_metadata`; None or empty if the file has none.

    Raises:
        ModelError: there are none, or they are damaged.
    """
    if not metadata:
        raise ModelError(f"{file} was not written by export.py: it has no metadata of classes and preprocessing.")
    try:
        return Preprocessing.from_dict(json.loads(metadata)["preprocessing"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"the metadata of {file} are damaged; export the run again.") from error


def read_facts(metadata: str | None) -> dict[str, object]:
    """Return the facts about the model from the metadata of a file; empty if there are none."""
    try:
        facts = json.loads(metadata or "{}").get("about")
    except (ValueError, AttributeError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def cannot_open(file: Path, library: str, version: str, error: Exception) -> ModelError:
    """Return the error for a file that a library cannot open, because it is damaged or too new."""
    return ModelError(
        f"{library} {version} cannot open {file} ({first_line(error)}): if it is damaged, export the run again; if it "
        f"opens elsewhere, install a newer {library}."
    )


def expected_input(preprocessing: Preprocessing, is_inside: bool) -> TensorSpec:
    """Return the expected input of a graph with or without preprocessing."""
    if is_inside:
        return TensorSpec("uint8", (-1, preprocessing.store_size, preprocessing.store_size, 3))
    return TensorSpec("float32", (-1, 3, preprocessing.input_size, preprocessing.input_size))


def as_backend(
    file: Path,
    preprocessing: Preprocessing,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    run: Callable[[Any], Probabilities],
    library: str,
) -> Backend:
    """Return a graph as a backend, which adds the preprocessing if the graph has none.

    Args:
        file: file of the graph, for errors.
        preprocessing: preprocessing from its metadata.
        inputs: inputs of the graph.
        outputs: outputs of the graph.
        run: function that runs the graph.
        library: name of the library that runs it.

    Raises:
        ModelError: inputs or outputs do not match the metadata.
    """
    allowed = [expected_input(preprocessing, is_inside) for is_inside in (True, False)]
    if len(inputs) != 1 or inputs[0] not in allowed:
        raise ModelError(
            f"{file} takes {', '.join(map(str, inputs)) or 'nothing'}, but by its metadata it should take {allowed[0]} "
            f"or {allowed[1]}; export the run again."
        )
    classes = len(preprocessing.class_names)
    if len(outputs) != 1 or outputs[0] != TensorSpec("float32", (-1, classes)):
        raise ModelError(
            f"{file} returns {', '.join(map(str, outputs)) or 'nothing'}, but by its metadata it has the {classes} "
            f"classes {', '.join(preprocessing.class_names)}; export the run again."
        )
    if inputs[0] == allowed[0]:
        return Backend(preprocessing, run, library)

    def preprocess_and_run(squares: Pixels) -> Probabilities:
        return run(preprocessing.normalise_array(np.asarray(squares)))

    return Backend(preprocessing, preprocess_and_run, library)
