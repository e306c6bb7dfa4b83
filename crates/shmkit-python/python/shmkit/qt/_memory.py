"""``QSharedMemory``, with the part of a QObject that programs use with it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from .. import _shmkit
from ._enums import MemoryError, MemoryMode


class QSharedMemory(_shmkit.QSharedMemory):
    """A segment with a key, a lock, and the last error, as Qt has it.

    What fails says ``False``; ``error()`` and ``errorString()`` tell why.
    """

    __module__ = "shmkit.qt"

    AccessMode = MemoryMode
    SharedMemoryError = MemoryError

    _object_name: str = ""
    _parent: weakref.ref[Any] | None = None
    _end: Callable[[], None] | None = None

    def objectName(self) -> str:
        """The name that ``setObjectName`` gave it."""
        return self._object_name

    def setObjectName(self, name: str) -> None:
        """Gives the object a name, which means nothing to it."""
        self._object_name = name

    def parent(self) -> Any:
        """The QObject that the constructor or ``setParent`` was given, as long as it lives."""
        return self._parent and self._parent()

    def setParent(self, parent: Any) -> None:
        """Makes a QObject of any binding the owner, or nobody.

        The owner keeps this object, which detaches when the owner is destroyed.
        """
        if self._end is not None:
            self._end()
        self._parent = None if parent is None else weakref.ref(parent)
        self._end = None if parent is None else _keep(self, parent)


def _keep(child: QSharedMemory, parent: Any) -> Callable[[], None]:
    """Lets the parent keep the child until it is destroyed; what ends that."""
    kept: list[QSharedMemory] = [child]

    def let_go(*_: object) -> None:
        # Python's part of the parent may be gone before Qt's.
        for one in kept:
            one.detach()
        kept.clear()

    destroyed = getattr(parent, "destroyed", None)
    if destroyed is None:
        # One of ours has no signals: it keeps its children like any other attribute.
        parent.__dict__.setdefault("_children", []).append(kept)
    else:
        destroyed.connect(let_go)
    return kept.clear
