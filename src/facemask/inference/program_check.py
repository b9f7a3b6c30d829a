"""Check an exported program before torch opens it.

``torch.export.load`` unpickles parts of the archive and evaluates the expressions of shapes, so that a file from
somebody else could run code. What the check lets through is what ``export.py`` writes: plain tensors, ATen operators,
and sizes that are numbers, symbols or multiples of symbols.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import torch

# Members below the archive's own folder.
MEMBERS = re.compile(
    r"models/model\.json|data/weights/(weight_\d+|model_weights_config\.json)|"
    r"data/constants/(tensor_\d+|model_constants_config\.json)|data/sample_inputs/model\.pt|extra/\w+|"
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id)"
)
OPERATORS = re.compile(
    r"torch\.ops\.aten\.\w+\.\w+|_operator\.(getitem|add|sub|mul|floordiv|mod|neg|eq|ne|lt|le|gt|ge)|"
    r"torch\.sym_(int|float|max|min|not)"
)
SYMBOL = r"Symbol\('\w+'(, (positive|nonnegative|integer)=True)*\)"
SIZES = re.compile(rf"-?\d+|{SYMBOL}|Mul\(Integer\([0-9]{{1,9}}\), {SYMBOL}\)")
MAX_JSON = 50_000_000  # bytes
INPUTS = "data/sample_inputs/model.pt"


def check_program(file: Path) -> None:
    """Check that an archive holds nothing that runs code when it is opened.

    Raises:
        ValueError: it does, or is not an archive of ``torch.export.save``.
    """
    with ZipFile(file) as archive:
        members = {str(PurePosixPath(*PurePosixPath(i.filename).parts[1:])): i for i in archive.infolist()}
        if len(members) < len(archive.infolist()):
            raise ValueError("it has a member twice")
        for name, info in members.items():
            if not MEMBERS.fullmatch(name) or info.compress_type != ZIP_STORED:
                raise ValueError(f"its member {name!r} is not one that export.py writes")
            if name.endswith(".json"):
                if info.file_size > MAX_JSON:
                    raise ValueError(f"its member {name!r} is too large")
                _check_node(json.loads(archive.read(info)))
        if INPUTS in members:  # torch would fall back to unpickling
            torch.load(io.BytesIO(archive.read(members[INPUTS])), weights_only=True)


def _check_node(node: Any) -> None:
    for key, value in _entries(node):
        if key in ("target", "as_operator") and not OPERATORS.fullmatch(str(value)):
            raise ValueError(f"it calls {value!r}")
        if key == "expr_str" and not SIZES.fullmatch(str(value)):
            raise ValueError(f"it has the size {value!r}")
        if key == "use_pickle" and value is not False:
            raise ValueError("it contains a pickle")
        if key == "__enum__" or key.startswith("as_custom"):
            raise ValueError("it contains an object of another module")


def _entries(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key with its value, also of nested mappings, lists, and strings that contain JSON."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield str(key), value
            yield from _entries(value)
    elif isinstance(node, list):
        for value in node:
            yield from _entries(value)
    elif isinstance(node, str) and node[:1] in ("[", "{"):
        try:
            inner = json.loads(node)
        except ValueError:
            return
        yield from _entries(inner)
