"""Exported program: one ``.pt2`` file for torch, without this project's code."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from facemask.exporting.formats.format import ExportFormat
from facemask.inference.backend import METADATA, Backend

if TYPE_CHECKING:
    from facemask.exporting.job import ExportJob


class ExportedProgram(ExportFormat):
    """Format of ``torch.export``."""

    suffix = ".pt2"
    precisions = ("fp32", "fp16")

    def write(self, job: "ExportJob", file: Path) -> None:
        """Write the program with the metadata as an extra file."""
        import torch

        from facemask.inference.graph import to_program

        program = to_program(job.graph(is_half=job.config.precision == "fp16"))
        content = io.BytesIO()  # on a full disk, torch's own writer would end the process
        torch.export.save(program, content, extra_files={METADATA: job.metadata})
        file.write_bytes(content.getbuffer())

    def open(self, file: Path) -> Backend:
        """Open the file on torch."""
        from facemask.inference.torch import open_program

        return open_program(file)
