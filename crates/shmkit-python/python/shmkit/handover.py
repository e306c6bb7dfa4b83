"""Segments from one process to another: through sockets, to children, by a name at which both meet.

What has no name, a memfd or a file that was removed, is handed over so; what has one may be. The receiver
gets a ``Parcel``, and attaches to it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from ._shmkit import (
    Parcel,
    Published,
    Rendezvous,
    Sealed,
    Server,
    SharedMemory,
    fetch,
    from_process,
    inherited,
    publish,
    receive,
    send,
)

__all__ = [
    "Parcel",
    "Published",
    "Rendezvous",
    "Server",
    "fetch",
    "from_process",
    "inherited",
    "publish",
    "receive",
    "send",
    "to_child",
]


@contextlib.contextmanager
def to_child(
    *,
    env: dict[str, str] | None = None,
    readonly: bool = False,
    **segments: SharedMemory | Sealed,
) -> Iterator[dict[str, Any]]:
    """What ``subprocess`` needs so that a child inherits segments, each by an environment variable.

    The child calls ``inherited("FRAMES").attach()``, or reads the number of the descriptor, the first
    word of the variable::

        with to_child(FRAMES=segment) as extra:
            subprocess.Popen(command, **extra)

    ``env`` is the child's environment, this process's own if there is none. Other children do not get
    the segments.
    """
    env = dict(os.environ if env is None else env)
    with contextlib.ExitStack() as descriptors:
        numbers = []
        for variable, segment in segments.items():
            if isinstance(segment, SharedMemory):
                fd = segment.to_fd(readonly=readonly or segment.readonly)
            else:
                fd = segment.to_fd()
            descriptors.callback(os.close, fd)
            numbers.append(fd)
            env[variable] = f"{fd} {segment.name}".replace("\0", "?")
        yield {"env": env, "pass_fds": tuple(numbers)}
