"""``infer_video.py``: read frames, label faces, pass them to sinks."""

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import track

from facemask.config.component import Component
from facemask.config.schemas import InferVideoConfig
from facemask.detection.find import build_detector
from facemask.detection.track import Tracker
from facemask.errors import ConfigError
from facemask.files import private_files
from facemask.inference.answers import Answers
from facemask.inference.predictor import Predictor
from facemask.signals import handled
from facemask.terminal import SafeConsole
from facemask.video.capture import Capture
from facemask.video.pacing import Pacer, Rate
from facemask.video.pipeline import Pipeline
from facemask.video.scene import Scene
from facemask.video.sinks.sink import Sink
from facemask.video.smoothing import Smoother
from facemask.video.sources.opening import open_source
from facemask.video.sources.source import Source
from facemask.video.tally import Tally

BLUR = "blur"


def label_video(config: InferVideoConfig, folder: Path) -> Tally:
    """Label the faces of a source and pass its frames to the sinks.

    Ctrl-C, SIGTERM and ``config.seconds`` end the source after the current frame, so that files are complete. A second
    Ctrl-C ends immediately.

    Args:
        config: validated configuration from :func:`facemask.config.checks.video.resolve_video`.
        folder: output folder of sinks without a path; created when needed.

    Returns:
        Counts of frames, faces and labels, and timings.

    Raises:
        FaceMaskError: the source, the model, the detector or a sink cannot be used.
    """
    aside = SafeConsole(stderr=True)

    def say(sentence: str) -> None:
        aside.print(sentence, soft_wrap=True, highlight=False, markup=False)

    source = open_source(config.source, say, config.live, config.loop, config.reconnect)
    sinks, pipeline = build_sinks(config.sink), build_pipeline(config)
    if caveat := pipeline.classifier.preprocessing.caveat:
        say(f"note: the model was {caveat}")
    tally = Tally(source.name, source.is_stills, source.is_live, stages=pipeline.stopwatch)
    with _end_on_signals(source) as interrupted, _end_after(config.seconds, source), ExitStack() as stack:
        stack.enter_context(private_files(config.private, folder))
        for sink in sinks:
            stack.callback(sink.end)
            sink.begin(source, folder, say)
        _label(source, pipeline, sinks, config, tally, aside)
    tally.is_interrupted = interrupted.is_set() and not source.is_live  # a live source can only end by a signal
    return tally


def build_sinks(nodes: Mapping[str, Component]) -> list[Sink]:
    """Build the sinks of a configuration.

    Raises:
        ConfigError: a sink's settings are wrong, or it is not a sink.
    """
    sinks = {name: node.build() for name, node in nodes.items()}
    for name, sink in sinks.items():
        if not isinstance(sink, Sink):
            raise ConfigError(f"sink.{name}={nodes[name].target} is not a Sink; derive it from {Sink.__module__}.Sink.")
    return list(sinks.values())


def build_pipeline(config: InferVideoConfig) -> Pipeline:
    """Build the pipeline with its detector and classifier."""
    # With privacy=blur every frame, so that no face is visible before it is detected.
    detect_every = 1 if config.privacy == BLUR else config.detect_every
    classifier = Predictor.load(config.run, config.threads)
    return Pipeline(
        build_detector(config.detector),
        classifier,
        Tracker(patience=config.patience),
        Smoother(config.half_life),
        config.crop.margin,
        config.crop.square,
        detect_every,
        config.classify_every,
        Answers.of(classifier.preprocessing, config.unsure),
    )


@contextmanager
def _end_on_signals(source: Source) -> Iterator[threading.Event]:
    """Let SIGINT and SIGTERM end the source; yield an event that they set. Main thread only."""
    interrupted = threading.Event()

    def end(*_: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        source.ended.set()

    with handled([signal.SIGINT, signal.SIGTERM], end):
        yield interrupted


@contextmanager
def _end_after(seconds: float | None, source: Source) -> Iterator[None]:
    """End the source after some seconds; None for never."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, source.ended.set)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _label(
    source: Source, pipeline: Pipeline, sinks: list[Sink], config: InferVideoConfig, tally: Tally, aside: Console
) -> None:
    is_watched = any(sink.is_watched for sink in sinks)
    is_paced = is_watched and not source.is_live and not source.is_stills
    pacer, rate, start = Pacer(), Rate(), time.monotonic()
    is_endless = source.is_live or config.loop
    with Capture(source) as capture:
        total = source.n_frames or None
        for frame in track(capture, source.name, total, console=aside, transient=True, disable=is_endless):
            faces = pipeline.process(frame)
            hidden = pipeline.to_hide() if config.privacy == BLUR else None
            n_tracks = pipeline.tracker.n_begun
            fps = rate.tick() if is_watched else 0.0  # not written into files
            scene = Scene(frame, faces, pipeline.classifier.class_names, fps, n_tracks, hidden)
            if is_paced:
                pacer.wait_for(frame.seconds)
            with pipeline.stopwatch.time("output"):
                for sink in sinks:
                    sink.write(scene)
            now = time.monotonic()
            tally.count(faces, now - frame.read_at)
            tally.n_dropped, tally.n_tracks, tally.seconds = capture.n_dropped, n_tracks, now - start
            if any(sink.wants_end for sink in sinks):
                return
