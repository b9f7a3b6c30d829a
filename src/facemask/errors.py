"""What can go wrong by a user's doing. Every message says what was wrong and what to do instead."""

import difflib
from collections.abc import Iterable


class FaceMaskError(Exception):
    """A problem the user can mend: shown as one sentence with exit code 2, never as a stack trace."""


class ConfigError(FaceMaskError):
    """A key, a value, or a combination of values that cannot be meant."""


class DataError(FaceMaskError):
    """A data set that is missing, empty, inconsistent or too damaged to train on."""


class WeightsError(FaceMaskError):
    """Pretrained weights that cannot be had, or do not fit the network."""


class RunError(FaceMaskError):
    """A run folder or checkpoint that cannot be read, written or continued."""


class ModelError(FaceMaskError):
    """A model file that cannot be read or run, or would not be worth writing."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, shortened, without its full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".")[:200] if lines else type(error).__name__


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return the end of a sentence about a wrong word: the nearest choice, or all of them."""
    choices = sorted(choices)
    alike = {choice: difflib.SequenceMatcher(None, word, choice).ratio() for choice in choices}
    best = max(alike.values(), default=0.0)
    if best > 0.6:
        return f"; did you mean {' or '.join(choice for choice in choices if alike[choice] == best)}?"
    listed = ", ".join(choices[:16]) + (", …" if len(choices) > 16 else "")
    return f"; choose from: {listed or 'nothing'}."
