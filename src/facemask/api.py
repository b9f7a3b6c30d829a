"""The commands as functions: what a line of the command line does, from Python.

Every function takes overrides as they are typed (``"model=cnn"``), keyword arguments for keys without a dot
(``epochs=3``), or both, and returns a typed result. Nothing but the result's own files is written.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, overload

from facemask.config.arguments import to_overrides
from facemask.config.checks.evaluation import resolve_evaluation
from facemask.config.checks.export import resolve_export
from facemask.config.checks.preparation import resolve_preparation
from facemask.config.checks.training import resolve_training
from facemask.config.checks.video import resolve_video
from facemask.config.compose import compose as compose_plain
from facemask.config.schemas import EvaluateConfig, ExportConfig, InferVideoConfig, TrainConfig
from facemask.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from facemask.evaluation.command import Evaluation, PhotoEvaluation
    from facemask.exporting.export import Exported
    from facemask.preparation.command import Prepared, TaskConfig
    from facemask.runs.run import Run
    from facemask.video.tally import Tally

RESOLVERS = {
    "train": resolve_training,
    "evaluate": resolve_evaluation,
    "export": resolve_export,
    "infer_video": resolve_video,
    "prepare_data": resolve_preparation,
}
