"""What can go wrong by a user's doing. Every message says what was wrong and what to do instead."""


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
