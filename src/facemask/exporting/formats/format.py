"""What every format of exported files has; nothing here imports torch, so that configurations are checked quickly."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from facemask.inference.backend import Backend

if TYPE_CHECKING:
    from facemask.exporting.job import ExportJob


class ExportFormat(ABC):
    """A kind of file that a model can be exported to.

    A format of your own is a subclass in a file of yours, chosen by its dotted path: ``format=my_formats.Mine``.

    Attributes:
        suffix: of the file, such as ``.onnx``.
        precisions: that it can be written in, of ``fp32``, ``fp16`` and ``int8``.
        packages: that writing it needs, each with what to type after ``pip install``.
        script: a program to put beside the file as ``predict.py``.
    """

    suffix: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    packages: ClassVar[Mapping[str, str]] = {}
    script: ClassVar[Path | None] = None

    @abstractmethod
    def write(self, job: "ExportJob", file: Path) -> None:
        """Write the file, and what belongs to it beside it.

        Args:
            job: the model and how to export it.
            file: in a temporary folder, whose files are moved to their place once they have passed the parity check.
        """

    def open(self, file: Path) -> Backend | None:
        """Open the file for the parity check; None if this format cannot be read back here."""
        return None
