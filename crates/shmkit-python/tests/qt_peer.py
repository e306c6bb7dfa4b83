"""A process that does what it is told with one implementation of Qt's classes.

    python qt_peer.py MODULE

Each line of its input is an expression, or a statement, in JSON; each line of its output is what came of
it: ``["value", TEXT]`` or ``["raised", CLASS, TEXT]``. It ends with its input.
"""

from __future__ import annotations

import array
import copy
import enum
import gc
import importlib
import json
import os
import pickle
import sys
import threading
import time
from typing import Any

IMPLEMENTATIONS = ("PyQt6.QtCore", "PySide6.QtCore", "shmkit.qt", "shmkit.qt.pyside6")


def plain(text: str) -> str:
    """Without the names of modules, which are different on purpose."""
    for module in ("PyQt6.sip", "PyQt6.QtCore", "PySide6.QtCore", "shmkit.qt.pyside6", "shmkit.qt"):
        text = text.replace(f"{module}.", "")
    return text


def shown(value: Any) -> str:
    """A value as text that is the same for equal values of all implementations."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}({value.name}={value.value!r})"
    if isinstance(value, memoryview):
        return f"memoryview({value.nbytes}, readonly={value.readonly})"
    name = type(value).__name__
    if name == "QNativeIpcKey":
        return f"QNativeIpcKey({value.toString()!r})"
    if name == "voidptr":
        return f"voidptr({value.getsize()}, writeable={value.getwriteable()})"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, (bool, bytes, float, int, str, type(None))):
        return repr(value)
    return plain(repr(value)) if name == "array" else f"<{name}>"


def answer(expression: str, names: dict[str, Any]) -> list[str]:
    """What comes of one line."""
    try:
        try:
            code = compile(expression, "<told>", "eval")
        except SyntaxError:
            exec(compile(expression, "<told>", "exec"), names)
            return ["value", "None"]
        return ["value", shown(eval(code, names))]
    except (Exception, KeyboardInterrupt) as raised:
        return ["raised", type(raised).__name__, plain(str(raised))]


def add(memory: Any, times: int) -> None:
    """Adds one to the number at the beginning of a segment, many times, each under the lock."""
    for _ in range(times):
        memory.lock()
        number = memory.data()[0:8]
        number[0:8] = (int.from_bytes(bytes(number), "little") + 1).to_bytes(8, "little")
        memory.unlock()


def both(one: Any, other: Any) -> bool:
    """One thread has the lock of a segment for a while, and another one waits for it."""
    has_it = threading.Event()

    def hold() -> None:
        one.lock()
        has_it.set()
        time.sleep(0.2)
        one.unlock()

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    has_it.wait()
    taken: bool = other.lock()
    holder.join()
    return taken


def main() -> None:
    module = importlib.import_module(sys.argv[1])
    names: dict[str, Any] = {
        "A": array,
        "K": module.QNativeIpcKey,
        "M": module.QSharedMemory,
        "S": module.QSystemSemaphore,
        "add": add,
        "both": both,
        "T": module.QNativeIpcKey.Type,
        "copy": copy,
        "gc": gc,
        "os": os,
        "pickle": pickle,
        "qt": module,
        "threading": threading,
    }
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), names)), flush=True)


if __name__ == "__main__":
    main()
