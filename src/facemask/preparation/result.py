"""What every task of ``prepare_data.py`` returns."""

from abc import ABC, abstractmethod

from rich.console import Console


class TaskResult(ABC):
    """The result of a task."""

    @property
    def failure(self) -> str | None:
        """Why the command ends with exit code 1, in one sentence; None if all is well."""
        return None

    @abstractmethod
    def show(self, console: Console) -> None:
        """Print the result."""
