"""The model that comes with the package: it loads without a path, is small, has a card, and knows a bare face."""

import cv2
import numpy as np
import onnxruntime
import pytest
from skimage.data import astronaut

from facemask import Predictor
from facemask.inference import ready_made

FACE = (slice(60, 190), slice(165, 285))  # rows and columns of the portrait
MASK = [(183, 122), (205, 112), (222, 104), (242, 113), (262, 126), (258, 150), (240, 172), (222, 176), (205, 170)]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load()


def test_it_is_small_and_says_what_it_is(predictor: Predictor) -> None:
    assert predictor.class_names == ("mask", "no_mask")
    assert ready_made.FILE.stat().st_size <= 3_000_000
    card = ready_made.CARD.read_text()
    for title in ("## Data", "## Scores", "## Limits", "## How it was made"):
        assert title in card
    assert str(ready_made.CARD) in ready_made.NOTE


def test_its_threads_leave_the_cores_to_others_after_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *given: opened.append(given) or session(*given))
    Predictor.load(threads=1)
    ((_, options, _),) = opened
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"
    assert options.intra_op_num_threads == 1


@pytest.mark.parametrize("side", [24, 48, 120])
def test_it_tells_a_bare_face_from_a_covered_one(predictor: Predictor, side: int) -> None:
    bare = astronaut()
    covered = bare.copy()
    cv2.fillPoly(covered, [np.array(MASK)], (120, 175, 215), cv2.LINE_AA)
    crops = [cv2.resize(image[FACE], (side, side), interpolation=cv2.INTER_AREA) for image in (bare, covered)]
    masked = predictor.predict(crops)[:, 0]
    assert masked[0] < 0.2
    assert masked[1] > 0.5
