"""``QSharedMemory``, with the part of a QObject that programs use with it."""

from __future__ import annotations

import weakref
from typing import Any

from .._shmkit import qt as _core
from ._enums import MemoryError, MemoryMode


class QSharedMemory(_core.QSharedMemory):
    """A segment with a key, a lock, and the last error, as Qt has it.

    What fails says ``False``; ``error()`` and ``errorString()`` tell why.
    """

    __module__ = "shmkit.qt"

    AccessMode = MemoryMode
    SharedMemoryError = MemoryError

    def objectName(self) -> str:
        """The name that ``setObjectName`` gave it."""
        return self.__dict__.get("_object_name", "")

    def setObjectName(self, name: str) -> None:
        """Gives the object a name, which means nothing to it."""
        self._object_name = name

    def parent(self) -> Any:
        """The QObject that the constructor or ``setParent`` was given, as long as it lives."""
        parent = self.__dict__.get("_parent")
        return parent and parent()

    def setParent(self, parent: Any) -> None:
        """Makes a QObject of any binding the owner, or nobody.

        The owner keeps this object, which detaches when the owner is destroyed.
        """
        end = self.__dict__.pop("_end", None)
        if end is not None:
            end()
        self._parent = None if parent is None else weakref.ref(parent)
        if parent is not None:
            self._end = _keep(self, parent)


def _keep(child: QSharedMemory, parent: Any) -> Any:
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
