"""All that is known to be different, and why. ``docs/PYTHON-QT.md`` shows these rows, and
``test_qt_agreement.py`` proves both sides of each."""

from __future__ import annotations

import re
from dataclasses import dataclass


def _is_like(pattern: str, text: str) -> bool:
    """Whether they are the same, where ``*`` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def _told(answer: list[str]) -> str:
    match answer:
        case ["value", value]:
            return value
        case ["raised", name, text]:
            return f"{name}: {text}"
        case _:
            return " ".join(answer)


@dataclass(frozen=True)
class Difference:
    """One row of the table."""

    what: str
    theirs: str
    ours: str
    why: str
    lines: dict[str, tuple[str, str]]
    """Lines of cases, and what they and we answer; ``CASE: LINE`` for a line of one case. ``*`` stands for
    anything."""

    def _pattern(self, case: str, line: str) -> str | None:
        for pattern in self.lines:
            if pattern == line or _is_like(pattern, f"{case}: {line}"):
                return pattern
        return None

    def is_about(self, case: str, line: str) -> bool:
        return self._pattern(case, line) is not None

    def answers(self, theirs: list[str], ours: list[str], case: str = "", line: str = "") -> bool:
        pattern = self._pattern(case, line)
        if pattern is None:
            return False
        their_pattern, our_pattern = self.lines[pattern]
        return _is_like(their_pattern, _told(theirs)) and _is_like(our_pattern, _told(ours))

    def row(self) -> str:
        return f"| {self.what} | {self.theirs} | {self.ours} | {self.why} |"


_OUTSIDE = "ValueError: 17 bytes reach past the end of the segment, which has 16 from here"
_DETACHED = "ValueError: the segment was detached: ask for its memory again once attached"
_TOO_MANY = "TypeError: * takes *"
_UNBOUND = "TypeError: *: first argument of unbound method must have type *"
_DESCRIPTOR = "TypeError: descriptor * for * objects doesn't apply to *"
_NO_OBJECT = "TypeError: unbound method *() needs an argument"

SEGMENTS = [
    Difference(
        "the last `detach()`, POSIX",
        "the segment stays",
        "it is removed",
        "Qt documents it so; segments pile up for ever",
        {"a segment's life, posix*: m.attach(M.AccessMode.ReadWrite)": ("True", "False")},
    ),
    Difference(
        "the same key again",
        "detaches",
        "changes nothing",
        "Qt documents it so",
        {
            "the same key again, *: m.isAttached()": ("False", "True"),
            "the same key again, *: m.detach()": ("False", "True"),
        },
    ),
    Difference(
        "`create()` by an object with the lock and no segment, POSIX",
        "gives the lock back",
        "the object keeps it",
        "it need not be taken",
        {"an object with the lock and no segment, posix*: m.unlock()": ("False", "True")},
    ),
    Difference(
        "`data()` of a segment that is attached read-only",
        "writeable, and writing is a segmentation fault",
        "not writeable: `TypeError`",
        "no crash",
        {
            "a segment's life, *: n.data()": ("*100, *=True)", "*100, *=False)"),
            'writing to what is read-only, *: n.data()[0:1] = b"x"': ("died -11", "TypeError: cannot modify *"),
        },
    ),
    Difference(
        "memory of a segment that was detached",
        "segmentation fault",
        "`ValueError`",
        "no crash; what was made of it by the buffer protocol stays mapped",
        {"memory of a segment that was detached, *: bytes(v[0:5])": ("died -11", _DETACHED)},
    ),
]

DIFFERENCES = [
    *SEGMENTS,
    Difference(
        "more bytes than the segment has: `setsize`, `asstring`, `asarray`",
        "foreign memory, or a segmentation fault",
        "`ValueError`",
        "no crash",
        {
            "v.setsize(17)": ("None", _OUTSIDE),
            "v.asstring(17)[:3]": ("b'*'", _OUTSIDE),
            "v.asarray(17)": ("array(unsigned char, 17)", _OUTSIDE),
        },
    ),
    Difference(
        "`del` of a byte",
        "segmentation fault; of an array's `SystemError`",
        "`NotImplementedError`",
        "no crash",
        {
            "del v[0]": ("died -11", "NotImplementedError: can't delete item"),
            "del a[0]": ("SystemError: *", "NotImplementedError: can't delete item"),
        },
    ),
    Difference(
        "a `voidptr` of an address, of bytes, or a subclass",
        "can be made",
        "`TypeError`",
        "an address says nothing of how long it is good for",
        {
            "type(v)()": ("TypeError: *", "TypeError: cannot create 'voidptr' instances"),
            'type(v)(b"abc")': ("voidptr(3, *)", "TypeError: cannot create 'voidptr' instances"),
            "type(v)(int(v), 16)": ("voidptr(16, *)", "TypeError: cannot create 'voidptr' instances"),
            'type("Sub", (type(v),), {})': ("<type>", "TypeError: *not an acceptable base type"),
        },
    ),
    Difference(
        "part of an array, assigned to another one",
        "`TypeError`, about a stride",
        "is copied",
        "PyQt6 means to",
        {
            "a[0:2] = v.asarray(2)": ("TypeError: the array being assigned must have stride 1", "None"),
        },
    ),
    Difference(
        "`setType` of a key with a legacy key",
        "does nothing",
        "sets the type",
        "a fault of Qt's",
        {"keys: j": ("QNativeIpcKey('systemv:*", "QNativeIpcKey('posix:*")},
    ),
    Difference(
        "`copy` and `pickle` of a key",
        "`TypeError`",
        "work",
        "keys are there to be handed over",
        {
            "copy.copy(k)": ("TypeError: cannot pickle *", "QNativeIpcKey(*)"),
            "copy.deepcopy(k)": ("TypeError: cannot pickle *", "QNativeIpcKey(*)"),
            "pickle.loads(pickle.dumps(k)) == k": ("TypeError: cannot pickle *", "True"),
        },
    ),
    Difference(
        "names with a lone surrogate",
        "are taken",
        "`UnicodeEncodeError`",
        "no other program can have that name",
        {'K("a\\ud800").nativeKey()': ("'a\\ud800'", "UnicodeEncodeError: *")},
    ),
    Difference(
        "`isKeyTypeSupported` of a type that does not exist",
        "`True`",
        "`False`",
        "no segment of it can be made",
        {
            "M.isKeyTypeSupported(T.Windows), M.isKeyTypeSupported(T(0)), M.isKeyTypeSupported(T(300))": (
                "[False, True, True]",
                "[False, False, False]",
            ),
        },
    ),
    Difference(
        "a member of an enumeration of something that is no number",
        "is made",
        "`ValueError`",
        "Qt has no use for it",
        {'T("x")': ("*(x='x')", "ValueError: 'x' is not a valid QNativeIpcKey.Type")},
    ),
    Difference(
        "the rest of QObject: signals, properties, children, events",
        "is there",
        "`parent`, `setParent`, `objectName`, `setObjectName` alone",
        "there is no Qt",
        {'objects without a segment: M(*, objectName="name").objectName()': ("'name'", "TypeError: * is an unknown keyword argument")},
    ),
    Difference(
        "a subclass that does not call `__init__`",
        "`RuntimeError` when it is used",
        "an object without a key",
        "there is no C++ object that could be missing",
        {
            'type("Sub", (M,), {"__init__": lambda self: None})().key()': ("RuntimeError: *", "''"),
        },
    ),
    Difference(
        "the words, not the class, of exceptions that Python itself or no Qt raises",
        "PyQt6's",
        "Python's and ours",
        "programs do not depend on them",
        {
            "k.toString(5)": ("TypeError: toString(self): too many arguments", _TOO_MANY),
            "k.type(5)": ("TypeError: type(self): too many arguments", _TOO_MANY),
            "m.lock(3)": ("TypeError: lock(self): too many arguments", _TOO_MANY),
            "s.acquire(1)": ("TypeError: acquire(self): too many arguments", _TOO_MANY),
            "m.size(x=1)": ("TypeError: size() takes no keyword arguments", _TOO_MANY),
            "v.asstring(1, 2)": (_TOO_MANY, _TOO_MANY),
            "v.asarray(1, 2)": (_TOO_MANY, _TOO_MANY),
            "v.setsize()": (_TOO_MANY, "TypeError: *missing 1 required*"),
            "v.setwriteable()": (_TOO_MANY, "TypeError: *missing 1 required*"),
            "K.toString(5)": (_UNBOUND, _DESCRIPTOR),
            "M.create(None, 5)": (_UNBOUND, _DESCRIPTOR),
            "M.isAttached(3)": (_UNBOUND, _DESCRIPTOR),
            "S.release(5)": (_UNBOUND, _DESCRIPTOR),
            "K.toString()": (_UNBOUND, _NO_OBJECT),
            "M.create()": (_UNBOUND, _NO_OBJECT),
            "M.lock()": (_UNBOUND, _NO_OBJECT),
            "v[::2]": ("NotImplementedError: ", "NotImplementedError: a slice has step 1 here"),
            "a[::2]": ("NotImplementedError: ", "NotImplementedError: a slice has step 1 here"),
            'v[::2] = b"abcdefgh"': ("NotImplementedError: ", "NotImplementedError: *"),
            'v[0:2] = memoryview(b"abcd")[::2]': ("BufferError: *", "BufferError: *"),
        },
    ),
]

PYSIDE_DIFFERENCES = [
    *SEGMENTS[:3],
    Difference(
        "`data()` of a segment that is attached read-only",
        "a memoryview that can be written to, and writing is a segmentation fault",
        "a read-only memoryview",
        "no crash",
        {
            "a segment's life, *: n.data()": ("*readonly=False)", "*readonly=True)"),
            'writing to what is read-only, *: n.data()[0:1] = b"x"': (
                "died -11",
                "TypeError: cannot modify read-only memory",
            ),
        },
    ),
    Difference(
        "a memoryview of a segment that was detached",
        "segmentation fault",
        "still mapped; the segment is left when the memoryview goes",
        "no crash",
        {"memory of a segment that was detached, *: bytes(v[0:5])": ("died -11", "b'*'")},
    ),
    Difference(
        "a key beside a string: `key == \"/cam0\"`",
        "is made a key first",
        "`False`",
        "as in PyQt6: a string has no type",
        {'K("x") == "x"': ("True", "False")},
    ),
    Difference(
        "`QSharedMemory(key=...)`, and QObject's keywords",
        "are taken",
        "`TypeError`",
        "as in PyQt6",
        {
            'M(key="a").key()': ("'a'", "TypeError: * is an unknown keyword argument"),
            'M("a", objectName="name").objectName()': ("'name'", "TypeError: * unknown keyword argument"),
        },
    ),
]
