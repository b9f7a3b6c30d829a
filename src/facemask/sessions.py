"""Options of ONNX Runtime that the detector and the classifier share."""

from typing import Any


def session_options(threads: int | None = None) -> Any:
    """Return options for an ``onnxruntime.InferenceSession``.

    Args:
        threads: number of CPU threads; None for one per core.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # hides warnings about unused initialisers
    options.intra_op_num_threads = threads or 0
    # Otherwise threads stay busy for a while after each call and take the cores from the next network: video with a
    # detector and a classifier on two cores was half as fast.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options
