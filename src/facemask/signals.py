"""Handlers of operating-system signals."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def handled(numbers: Sequence[int], handler: Callable[[int, object], object]) -> Iterator[None]:
    """Handle signals, then restore the previous handlers; outside the main thread, do nothing.

    Args:
        numbers: signals, such as ``signal.SIGTERM``.
        handler: function of the signal's number and the interrupted frame.
    """
    if threading.current_thread() is not threading.main_thread():  # Python handles signals only in the main thread
        yield
        return
    before: dict[int, Any] = {}
    try:
        for number in numbers:  # inside, because a signal that is handled already may arrive in between
            before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, signal.SIG_DFL if previous is None else previous)  # None: not installed by Python


@contextmanager
def deferred(numbers: Sequence[int]) -> Iterator[None]:
    """Deliver signals that arrive during a block after it; outside the main thread, do nothing.

    For libraries that cannot be interrupted: torch's file writer aborts the process if its stream raises.

    Args:
        numbers: signals, such as ``signal.SIGTERM``.
    """
    arrived: list[int] = []
    try:
        with handled(numbers, lambda number, _: arrived.append(number)):
            yield
    finally:
        for number in dict.fromkeys(arrived):
            signal.raise_signal(number)
