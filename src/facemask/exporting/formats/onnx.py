"""ONNX: one ``.onnx`` file for ONNX Runtime."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from facemask.exporting.formats.format import ExportFormat
from facemask.inference.backend import METADATA, Backend
from facemask.inference.onnx import open_onnx

if TYPE_CHECKING:
    from facemask.exporting.job import ExportJob


class Onnx(ExportFormat):
    """ONNX."""

    suffix = ".onnx"
    precisions = ("fp32", "fp16", "int8")
    packages: ClassVar = {"onnxscript": "onnxscript", "onnxruntime": "onnxruntime"}
    script = Path(__file__).parents[1] / "predict_template.py"

    def write(self, job: "ExportJob", file: Path) -> None:
        """Write the graph with the metadata in its properties."""
        model = job.to_onnx(is_half=job.config.precision == "fp16")
        model.metadata_props.add(key=METADATA, value=job.metadata)
        file.write_bytes(model.SerializeToString())

    def open(self, file: Path) -> Backend:
        """Open the file on ONNX Runtime."""
        return open_onnx(file)
