"""``infer_video.py``: read frames, label faces, pass them to sinks."""

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
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
from facemask.inference import ready_made
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
from facemask.video.sources.opening import open_sources
from facemask.video.sources.source import Source
from facemask.video.tally import Tally

BLUR = "blur"


def label_video(config: InferVideoConfig, folder: Path) -> Tally:
    """Label the faces of a source, or of several in turn, and pass their frames to the sinks.

    Ctrl-C, SIGTERM and ``config.seconds`` end the source after the current frame, so that files are complete. A second
    Ctrl-C ends immediately.

    Args:
        config: validated configuration from :func:`facemask.config.checks.video.resolve_video`.
        folder: output folder of sinks without a path, created when needed; each of several sources has a subfolder.

    Returns:
        Counts of frames, faces and labels, and timings.

    Raises:
        FaceMaskError: the source, the model, the detector or a sink cannot be used.
    """
    aside = SafeConsole(stderr=True)

    def say(sentence: str) -> None:
        aside.print(sentence, soft_wrap=True, highlight=False, markup=False)

    sources = open_sources(config.source, say, config.live, config.loop, config.reconnect)
    sinks, pipeline = build_sinks(config.sink), build_pipeline(config)
    if config.run is None:
        say(f"note: {ready_made.NOTE}")
    if caveat := pipeline.classifier.preprocessing.caveat:
        say(f"note: the model was {caveat}")
    is_stills, is_live = all(source.is_stills for source in sources), any(source.is_live for source in sources)
    name = sources[0].name if len(sources) == 1 else f"{len(sources)} sources"
    tally = Tally(name, is_stills, is_live, stages=pipeline.stopwatch)
    with (
        private_files(config.private, folder),
        _end_on_signals(sources) as interrupted,
        _end_after(config.seconds, sources) as is_over,
    ):
        for number, source in enumerate(sources):
            place = folder if len(sources) == 1 else folder / Path(source.name).stem
            sinks = sinks if number == 0 else build_sinks(config.sink)
            with ExitStack() as stack:
                for sink in sinks:
                    stack.callback(sink.end)
                    sink.begin(source, place, say)
                _label(source, pipeline, sinks, config, tally, aside)
            pipeline.forget()
            if interrupted.is_set() or is_over.is_set() or any(sink.wants_end for sink in sinks):
                break
    tally.is_interrupted = interrupted.is_set() and not is_live  # a live source can only end by a signal
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
def _end_on_signals(sources: Sequence[Source]) -> Iterator[threading.Event]:
    """Let SIGINT and SIGTERM end the sources; yield an event that they set. Main thread only."""
    interrupted = threading.Event()

    def end(*_: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        _end(sources)

    with handled([signal.SIGINT, signal.SIGTERM], end):
        yield interrupted


@contextmanager
def _end_after(seconds: float | None, sources: Sequence[Source]) -> Iterator[threading.Event]:
    """End the sources after some seconds, None for never; yield an event that is then set."""
    is_over = threading.Event()
    if seconds is None:
        yield is_over
        return

    def end() -> None:
        is_over.set()
        _end(sources)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield is_over
    finally:
        timer.cancel()


def _end(sources: Sequence[Source]) -> None:
    for source in sources:
        source.ended.set()


def _label(
    source: Source, pipeline: Pipeline, sinks: list[Sink], config: InferVideoConfig, tally: Tally, aside: Console
) -> None:
    is_watched = any(sink.is_watched for sink in sinks)
    is_paced = is_watched and not source.is_live and not source.is_stills
    pacer, rate, start = Pacer(), Rate(), time.monotonic() - tally.seconds
    n_dropped = tally.n_dropped
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
            tally.n_tracks, tally.seconds = n_tracks, now - start
            tally.n_dropped = n_dropped + capture.n_dropped
            if any(sink.wants_end for sink in sinks):
                return
