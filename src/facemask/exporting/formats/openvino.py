"""OpenVINO: an ``.xml`` and a ``.bin`` file for Intel hardware."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from facemask.exporting.formats.format import ExportFormat
from facemask.inference.backend import METADATA, Backend
from facemask.inference.openvino import open_openvino

if TYPE_CHECKING:
    from facemask.exporting.job import ExportJob


class OpenVINO(ExportFormat):
    """OpenVINO's intermediate representation."""

    suffix = ".xml"
    precisions = ("fp32", "fp16", "int8")
    packages: ClassVar = {"onnxscript": "onnxscript", "openvino": "'facemask[openvino]'"}

    def write(self, job: "ExportJob", file: Path) -> None:
        """Convert the ONNX graph; OpenVINO itself stores weights as float16 for ``precision=fp16``."""
        import openvino

        network = openvino.Core().read_model(job.to_onnx().SerializeToString())
        network.set_rt_info(job.metadata, METADATA)
        openvino.save_model(network, file, compress_to_fp16=job.config.precision == "fp16")

    def open(self, file: Path) -> Backend:
        """Open the file on OpenVINO."""
        return open_openvino(file)
