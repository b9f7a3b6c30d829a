"""Errors that a user can fix. Each message states what is wrong and what to do instead."""

import difflib
from collections.abc import Iterable


class FaceMaskError(Exception):
    """Base class of errors that a user can fix; the command line prints one sentence and exits with code 2."""


class ConfigError(FaceMaskError):
    """Invalid configuration: an unknown key, an invalid value, or conflicting values."""


class DataError(FaceMaskError):
    """Data set that is missing, empty, inconsistent or too damaged to use."""


class WeightsError(FaceMaskError):
    """Pretrained weights that cannot be obtained, or do not match the network."""


class RunError(FaceMaskError):
    """Run folder or checkpoint that cannot be read, written or resumed."""


class ModelError(FaceMaskError):
    """Model file that cannot be read or run, or an export that is rejected."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error message, cut at 200 characters, without the final full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".")[:200] if lines else type(error).__name__


def _similarity(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return the end of an error message about an unknown word: the closest choices, or a list of all.

    Args:
        word: unknown word.
        choices: allowed words.

    Returns:
        ``; did you mean CHOICE?`` or ``; choose from: CHOICES.``

    Example:
        >>> did_you_mean("modle", ["model", "data"])
        '; did you mean model?'
    """
    choices = sorted(choices)
    alike = {choice: max(_similarity(word, choice), _similarity(word, choice.rpartition("/")[2])) for choice in choices}
    best = max(alike.values(), default=0.0)
    if best > 0.6:
        return f"; did you mean {' or '.join(choice for choice in choices if alike[choice] == best)}?"
    listed = ", ".join(choices[:16]) + (", …" if len(choices) > 16 else "")
    return f"; choose from: {listed or 'nothing'}."
