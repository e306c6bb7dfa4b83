"""Qt's shared memory as PyQt6 has it, without Qt.

``QSharedMemory``, ``QNativeIpcKey`` and ``QSystemSemaphore`` have the names, arguments, numbers, results
and error texts of ``PyQt6.QtCore``, and meet programs that use Qt in the same segments and locks.
``docs/PYTHON-QT.md`` lists what is different, and why. ``shmkit.qt.pyside6`` has PySide6's manners.
"""

from .._shmkit import QNativeIpcKey, array, voidptr
from ._enums import KeyType as _KeyType
from ._memory import QSharedMemory
from ._semaphore import QSystemSemaphore

# Python's enumerations, in a class of Rust's.
setattr(QNativeIpcKey, "Type", _KeyType)
setattr(QNativeIpcKey, "DefaultTypeForOs", QNativeIpcKey().type())

__all__ = ["QNativeIpcKey", "QSharedMemory", "QSystemSemaphore", "array", "voidptr"]
