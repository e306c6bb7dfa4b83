"""``QSystemSemaphore``."""

from __future__ import annotations

from .._shmkit import qt as _core
from ._enums import SemaphoreError, SemaphoreMode


class QSystemSemaphore(_core.QSystemSemaphore):
    """A counting semaphore between processes, as Qt has it.

    What fails says ``False``; ``error()`` and ``errorString()`` tell why.
    """

    __module__ = "shmkit.qt"

    AccessMode = SemaphoreMode
    SystemSemaphoreError = SemaphoreError
