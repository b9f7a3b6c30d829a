"""Base class of export formats. Does not import torch, so that configurations are checked quickly."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from facemask.inference.backend import Backend

if TYPE_CHECKING:
    from facemask.exporting.job import ExportJob


class ExportFormat(ABC):
    """Base class of export formats.

    Custom formats are subclasses, chosen by their dotted path: ``format=my_formats.Mine``.

    Attributes:
        suffix: suffix of the file, such as ``.onnx``.
        precisions: supported precisions: ``fp32``, ``fp16``, ``int8``.
        packages: required packages, each with its argument for ``pip install``.
        script: program to write beside the file as ``predict.py``.
    """

    suffix: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    packages: ClassVar[Mapping[str, str]] = {}
    script: ClassVar[Path | None] = None

    @abstractmethod
    def write(self, job: "ExportJob", file: Path) -> None:
        """Write the file and its companion files.

        Args:
            job: the model and how to export it.
            file: path in a temporary folder, whose files are moved after the parity check.
        """

    def open(self, file: Path) -> Backend | None:
        """Open the file for the parity check; None if the format cannot be read back."""
        return None
