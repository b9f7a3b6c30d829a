"""Interface of the results of ``prepare_data.py``'s tasks."""

from abc import ABC, abstractmethod

from rich.console import Console


class TaskResult(ABC):
    """The result of a task."""

    @property
    def failure(self) -> str | None:
        """One sentence if the command ends with exit code 1, else None."""
        return None

    @abstractmethod
    def show(self, console: Console) -> None:
        """Print the result."""
