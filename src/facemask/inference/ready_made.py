"""Paths of the ready-made model, which is used where no model is named."""

from pathlib import Path

FOLDER = Path(__file__).parent / "ready_made_model"
FILE, CARD = FOLDER / "mask.onnx", FOLDER / "model_card.md"
NOTE = f"no run= was given, so the ready-made model is used; its scores and limits: {CARD}"
