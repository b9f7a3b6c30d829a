"""What ``infer_video.py`` does: read, label, hand on, and tell at the end what there was."""

import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from rich.console import Console
from rich.progress import track

from facemask.config.compose import Settings, build
from facemask.detection.track import Tracker
from facemask.files import remove_if_empty
from facemask.inference.predictor import Predictor
from facemask.video.capture import Capture
from facemask.video.pacing import Pacer, Rate
from facemask.video.pipeline import Pipeline
from facemask.video.scene import Scene
from facemask.video.sinks.sink import Sink
from facemask.video.smoothing import Smoother
from facemask.video.sources.opening import open_source
from facemask.video.sources.source import Source
from facemask.video.tally import Tally, report

BLUR = "blur"


def run(settings: Settings) -> Tally:
    """Label the faces of a source as configured, and print what there was.

    Args:
        settings: the resolved configuration.

    Raises:
        FaceMaskError: the source, the model, the detector or a sink cannot be used.
    """
    aside = Console(stderr=True)

    def say(sentence: str) -> None:
        aside.print(sentence, soft_wrap=True, highlight=False, markup=False)

    folder = Path(HydraConfig.get().runtime.output_dir)
    source = open_source(settings["source"], say, settings["live"], settings["loop"], settings["reconnect"])
    sinks: list[Sink] = [build(node) for node in settings["sink"].values()]
    pipeline, tally = build_pipeline(settings), Tally()
    interrupted = _end_on_signals(source)
    if settings["seconds"] is not None:
        timer = threading.Timer(settings["seconds"], source.ended.set)
        timer.daemon = True
        timer.start()
    try:
        with ExitStack() as stack:
            for sink in sinks:
                stack.callback(sink.end)
                sink.begin(source, folder, say)
            _label(source, pipeline, sinks, settings, tally, aside)
            report(source, tally, pipeline.stopwatch, Console())
    finally:
        remove_if_empty(folder)
    if interrupted.is_set() and not source.is_live:  # which has no other end
        raise KeyboardInterrupt
    return tally


def _end_on_signals(source: Source) -> threading.Event:
    """Have Ctrl-C, or whoever stops a service, end the source after the frame in work: files are left whole."""
    interrupted = threading.Event()

    def end(*_: object) -> None:
        if interrupted.is_set():  # the second time, at once
            raise KeyboardInterrupt
        interrupted.set()
        source.ended.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)
    return interrupted


def build_pipeline(settings: Settings) -> Pipeline:
    """Build the detector, the classifier and what goes between them."""
    return Pipeline(
        build(settings["detector"]),
        Predictor.load(settings["run"], settings["threads"]),
        Tracker(patience=settings["patience"]),
        Smoother(settings["half_life"]),
        settings["crop"]["margin"],
        settings["crop"]["square"],
        1 if settings["privacy"] == BLUR else settings["detect_every"],  # no face is to be seen before it is found
        settings["classify_every"],
    )


def _label(
    source: Source, pipeline: Pipeline, sinks: list[Sink], settings: Settings, tally: Tally, aside: Console
) -> None:
    is_paced = not source.is_live and not source.is_stills and any(sink.is_watched for sink in sinks)
    pacer, rate, start = Pacer(), Rate(), time.monotonic()
    is_endless = source.is_live or settings["loop"]
    with Capture(source) as capture:
        total = source.n_frames or None
        for frame in track(capture, source.name, total, console=aside, transient=True, disable=is_endless):
            faces = pipeline.process(frame)
            hidden = pipeline.to_hide() if settings["privacy"] == BLUR else None
            n_tracks = pipeline.tracker.n_begun
            scene = Scene(frame, faces, pipeline.classifier.class_names, rate.tick(), n_tracks, hidden)
            if is_paced:
                pacer.wait_for(frame.seconds)
            with pipeline.stopwatch.time("hand on"):
                for sink in sinks:
                    sink.write(scene)
            now = time.monotonic()
            tally.count(faces, now - frame.read_at)
            tally.n_dropped, tally.n_tracks, tally.seconds = capture.n_dropped, n_tracks, now - start
            if any(sink.wants_end for sink in sinks):
                return
