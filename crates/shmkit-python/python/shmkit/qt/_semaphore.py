"""``QSystemSemaphore``."""

from __future__ import annotations

from .. import _shmkit
from ._enums import SemaphoreError, SemaphoreMode


class QSystemSemaphore(_shmkit.QSystemSemaphore):
    """A counting semaphore between processes, as Qt has it.

    What fails says ``False``; ``error()`` and ``errorString()`` tell why.
    """

    __module__ = "shmkit.qt"

    AccessMode = SemaphoreMode
    SystemSemaphoreError = SemaphoreError
