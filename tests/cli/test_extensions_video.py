"""A user's detector, sink and source, each in a file beside the command."""

from pathlib import Path

import pytest

from commands import Outcome, assert_refused, call_command
from conftest import PROJECT, write_faces
from facemask.training.fit import fit_folds
from fits import configure

pytestmark = pytest.mark.slow

DETECTOR = '''
import numpy as np

from facemask.detection.detectors import Faces


class Middle:
    """Finds a face in the middle of every picture."""

    def __init__(self, side=20):
        self.side = side

    def detect(self, image):
        x, y, half = image.shape[1] / 2, image.shape[0] / 2, self.side / 2
        box = np.array([[x - half, y - half, x + half, y + half]], np.float32)
        return Faces(box, np.ones(1, np.float32))
'''
SINK = '''
from facemask.video.sinks.sink import Sink


class Lines(Sink):
    """Writes a line a frame."""

    def __init__(self, path="lines.txt"):
        self.path = path

    def begin(self, source, folder, say):
        self.stream = open(self.path, "w")

    def write(self, scene):
        sides = [round(float(face.box[2] - face.box[0])) for face in scene.faces]
        print(scene.frame.number, sides, file=self.stream)

    def end(self):
        self.stream.close()
'''
SOURCE = '''
import numpy as np

from facemask.video.sources.source import Frame, Source


class Grey(Source):
    """Some grey frames."""

    def __init__(self, n=3):
        self.n = n

    def frames(self):
        for number in range(self.n):
            yield Frame(np.full((60, 80, 3), 90, np.uint8), number, number / 20, 0.0)
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("extended")
    fit_folds(configure(write_faces(place / "faces", {"mask": 20, "no_mask": 16}), place, "epochs=1"), place / "run")
    for name, code in (("my_detectors", DETECTOR), ("my_sinks", SINK), ("my_sources", SOURCE)):
        (place / f"{name}.py").write_text(code)
    return place


def infer(place: Path, *words: str) -> Outcome:
    return call_command(PROJECT / "infer_video.py", ["run=run", *words], place, {})


def test_a_detector_a_sink_and_a_source_of_the_users_work_together(place: Path) -> None:
    own = ["detector=my_detectors.Middle", "+detector.side=24", "sink=my_sinks.Lines"]
    done = infer(place, "source={_target_: my_sources.Grey, n: 4}", *own)
    assert done.code == 0, done.err
    assert (place / "lines.txt").read_text().splitlines() == [f"{number} [24]" for number in range(4)]
    assert "4 frames" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["detector=my_detectors.Midle", "source=0"], "my_detectors.Midle cannot be imported"),
        (["sink=my_sinks.Lines", "+sink.custom.paht=x", "source=0"], "paht"),
    ],
)
def test_a_mistake_is_one_sentence(place: Path, words: list[str], message: str) -> None:
    done = infer(place, *words)
    assert_refused(done, message)
