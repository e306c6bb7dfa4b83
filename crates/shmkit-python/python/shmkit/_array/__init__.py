"""``SharedArray``: arrays of numpy's that say what they are, and tell that they have changed."""

from __future__ import annotations

import time
from types import TracebackType

from .. import _errors
from .._shmkit import Condvar, Guard, Layout, Mutex, RwLock, SharedMemory, TypedSegment
from . import _dtype, _layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import ArrayLike, DTypeLike

    _Shape = int | tuple[int, ...]

DEFAULT_TIMEOUT = 30.0
"""For how many seconds locks are waited for, and others who make the array."""


class SharedArray:
    """An array of numpy's in a segment that says its type and shape, with a lock and a generation.

    The *generation* counts the writes. It is 0 in a new array, which is zeros, and the end of each
    ``with array.write()`` adds 1; ``wait`` waits for that. The lock keeps writers and readers apart
    that use it. The segment goes with the last user. Rust programs open it as a typed segment.
    """

    __slots__ = ("__weakref__", "_array", "_changed", "_count", "_lock", "_memory", "_places", "_segment")

    def __init__(self, segment: TypedSegment) -> None:
        """For :meth:`create`, :meth:`attach` and :meth:`create_or_attach`."""
        key = segment.key
        assert key is not None
        self._segment = segment
        # What arrays look into is a mapping of its own: it stays for as long as they do.
        self._memory = SharedMemory.attach(key, readonly=segment.readonly)
        try:
            header_length = bytes(self._memory.buf[_layout.HEADER_LENGTH])
            self._places = _layout.Places(key, segment.layout, header_length)
            dtype, shape = _dtype.dtype_of(self._places.layout)
        except BaseException:
            # Not left to those who keep the exception.
            self._memory.close()
            segment.close()
            raise
        self._array: Any = self._memory.ndarray(shape, dtype, self._places.data)
        self._count = Mutex(segment.place.field("generation"))
        self._changed = Condvar(segment.place.field("changed"))
        self._lock = RwLock(segment.place.field("array"))

    @classmethod
    def create(
        cls, key: str, /, shape: _Shape, dtype: DTypeLike = float, *, mode: int = 0o600
    ) -> SharedArray:
        """Creates an array of zeros. ``AlreadyExistsError`` if somebody has that key.

        ``TypeError`` for types whose values are of this process (``object``) or of another byte
        order. ``mode`` says who may attach, as for ``chmod``.
        """
        layout = _wanted(shape, dtype)
        return cls(TypedSegment.create(key, layout, None, mode, DEFAULT_TIMEOUT))

    @classmethod
    def create_or_attach(
        cls, key: str, /, shape: _Shape, dtype: DTypeLike = float, *, mode: int = 0o600
    ) -> SharedArray:
        """Attaches to the array, or creates it: of however many do so at once, one creates."""
        layout = _wanted(shape, dtype)
        try:
            segment = TypedSegment.open_or_init(key, layout, None, mode, DEFAULT_TIMEOUT)
        except _errors.BadHeaderError:
            # It is there, but another. This says better which.
            return cls.attach(key, shape, dtype)
        return cls(segment)

    @classmethod
    def attach(
        cls,
        key: str,
        /,
        shape: _Shape | None = None,
        dtype: DTypeLike | None = None,
        *,
        readonly: bool = False,
    ) -> SharedArray:
        """Attaches to an array. ``BadHeaderError`` if it has another shape or type than is said here.

        With ``readonly`` the system sees to it that nothing is written: not to the lock either,
        so that ``read``, ``write`` and ``wait`` are ``ReadOnlyError``.
        """
        array = cls(TypedSegment.open(key, None, readonly, DEFAULT_TIMEOUT))
        differs = _differences(array, shape, dtype)
        if differs:
            error = _errors.BadHeaderError(f"cannot attach {array.key}: {'; '.join(differs)}")
            error.operation, error.key = "attach", array.key
            array.close()
            error.help = "attach without shape and dtype to take it as it is"
            raise error
        return array

    @classmethod
    def of(cls, key: str, /, array: ArrayLike, *, mode: int = 0o600) -> SharedArray:
        """Creates an array that is a copy of this one, in generation 1."""
        import numpy

        source = numpy.asarray(array)
        made = cls.create(key, source.shape, source.dtype, mode=mode)
        with made.write() as held:
            held.np[...] = source
        return made

    @property
    def np(self) -> Any:
        """The array, without any lock. Whatever is made of it keeps the memory mapped."""
        if self._array is None:
            raise ValueError("the array is closed")
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its dimensions."""
        shape: tuple[int, ...] = self.np.shape
        return shape

    @property
    def dtype(self) -> Any:
        """The type of its elements, a ``numpy.dtype``."""
        return self.np.dtype

    @property
    def nbytes(self) -> int:
        """How many bytes the elements have."""
        return int(self.np.nbytes)

    @property
    def key(self) -> str:
        """The key in its text form, for others to attach to."""
        key = self._memory.key
        assert key is not None
        return str(key)

    @property
    def layout(self) -> str:
        """What the segment says that it is; docs/FORMAT.md has the language."""
        return self._segment.layout.text

    @property
    def readonly(self) -> bool:
        """Whether it is attached so."""
        return self._segment.readonly

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._array is None

    @property
    def generation(self) -> int:
        """How often it has been written to."""
        place = self._places.generation
        return int.from_bytes(self._memory.buf[place : place + 8], "little")

    def read(self, timeout: float | None = DEFAULT_TIMEOUT) -> HeldArray:
        """Keeps writers out: ``with array.read() as held: held.np.sum()``.

        Waits ``timeout`` seconds for one that is at it (``None``: as long as it takes, 0: not at all),
        and is a ``TimedOutError`` or ``WouldBlockError`` then. ``PoisonedError`` if a writer has left
        the array half-written; see :meth:`repair`.
        """
        return HeldArray(self, self._lock.read(timeout), is_writing=False)

    def write(self, timeout: float | None = DEFAULT_TIMEOUT) -> HeldArray:
        """Keeps everybody else out: ``with array.write() as held: held.np[:] = frame``.

        The end of the ``with`` is a new generation; an exception in it is none and leaves the array
        poisoned, since it may be half-written. If a writer has died, ``held.owner_died`` is true:
        write everything and ``held.mark_recovered()``. Waits as :meth:`read`.
        """
        return HeldArray(self, self._lock.write(timeout), is_writing=True)

    def repair(self, timeout: float | None = DEFAULT_TIMEOUT) -> HeldArray:
        """As :meth:`write`, also when the array is poisoned. It is not any more at its end."""
        held = HeldArray(self, self._lock.write_poisoned(timeout), is_writing=True)
        held.mark_recovered()
        return held

    def wait(self, generation: int, timeout: float | None = None) -> int:
        """Waits for a generation after this one, and says which it is now.

        ``TimedOutError`` after ``timeout`` seconds; ``None``: as long as it takes.
        """
        left = _countdown(timeout)
        held = self._count.lock(left())
        try:
            while True:
                if held.owner_died:
                    held.mark_recovered()  # Adding 1 cannot be half-done.
                now: int = held.place.get()
                if now > generation:
                    return now
                if not self._changed.wait(held, left()) and left() == 0.0:
                    raise _timed_out(self.key, now, timeout)
        finally:
            held.release(False)

    def close(self) -> None:
        """Detaches. ``StillInUseError`` (a ``BufferError``) while arrays look into it, or it is held."""
        array, self._array = self._array, None
        if array is None:
            return
        shape, dtype = array.shape, array.dtype
        del array
        try:
            self._memory.close()
        except BaseException:
            self._array = self._memory.ndarray(shape, dtype, self._places.data)
            raise
        self._segment.close()

    def _next_generation(self) -> None:
        held = self._count.lock(DEFAULT_TIMEOUT)
        try:
            if held.owner_died:
                held.mark_recovered()
            place = held.place
            place.set(place.get() + 1)
        finally:
            held.release(False)
        self._changed.notify_all()

    def __enter__(self) -> SharedArray:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach_again, (type(self), self.key, self.readonly)

    def __repr__(self) -> str:
        if self.closed:
            return f"<shmkit.{type(self).__name__}, closed>"
        return f"<shmkit.{type(self).__name__} {self.key} {self.shape} {self.dtype}>"


class HeldArray:
    """An array while its lock is held; for a ``with``."""

    __slots__ = ("_array", "_guard", "_is_writing")

    def __init__(self, array: SharedArray, guard: Guard, is_writing: bool) -> None:
        """For :meth:`SharedArray.read` and :meth:`SharedArray.write`."""
        self._array = array
        self._guard = guard
        self._is_writing = is_writing

    @property
    def np(self) -> Any:
        """The array; not to write to if it is held to be read. ``ValueError`` after the end."""
        if self._guard.released:
            raise ValueError("the lock has been given back")
        array = self._array.np
        if not self._is_writing:
            array = array.view()
            array.flags.writeable = False
        return array

    @np.setter
    def np(self, values: ArrayLike) -> None:
        # `held.np += 1` ends here, with what it has changed already.
        if values is not self._array.np:
            self.np[...] = values

    @property
    def owner_died(self) -> bool:
        """Whether the writer before died at it, so that the array may be half-written."""
        return self._guard.owner_died

    def mark_recovered(self) -> None:
        """Says that the array is right again."""
        self._guard.mark_recovered()

    def release(self) -> None:
        """Ends it before the ``with`` does, which is a new generation if it was written to."""
        if self._guard.released:
            return
        if self._is_writing and not self._guard.owner_died:
            # While nobody else can read: who is woken finds what it was woken for.
            self._array._next_generation()
        self._guard.release(False)

    def __enter__(self) -> HeldArray:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.release()
        elif self._is_writing:
            self._guard.poison()
        else:
            self._guard.release(True)


def _attach_again(cls: type[SharedArray], key: str, readonly: bool) -> SharedArray:
    return cls.attach(key, readonly=readonly)


def _wanted(shape: _Shape, dtype: DTypeLike) -> Layout:
    import numpy

    element = numpy.dtype(dtype)
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    if element.subdtype is not None:  # As in numpy's arrays: its dimensions are the last ones.
        element, inner = element.subdtype
        lengths += inner
    return _layout.wrap(_dtype.layout_of(element, lengths))


def _differences(array: SharedArray, shape: _Shape | None, dtype: DTypeLike | None) -> list[str]:
    import numpy

    differs = []
    lengths = (shape,) if isinstance(shape, int) else shape
    if lengths is not None and tuple(lengths) != array.shape:
        differs.append(f"its shape is {array.shape}, not {tuple(lengths)}")
    if dtype is not None:
        wanted = numpy.dtype(dtype)
        # By layout: the order in which a type's fields are listed is no difference.
        if wanted != array.dtype and _dtype.layout_of(wanted, ()) != _dtype.layout_of(array.dtype, ()):
            differs.append(f"its dtype is {array.dtype}, not {wanted}")
    return differs


def _timed_out(key: str, generation: int, timeout: float | None) -> _errors.TimedOutError:
    text = f"nobody has written to {key} for {timeout} s: it is in generation {generation}"
    error = _errors.TimedOutError(text)
    error.operation, error.key = "wait", key
    return error


def _countdown(timeout: float | None) -> Callable[[], float | None]:
    """What is left of a time-out, whenever it is called."""
    if timeout is None:
        return lambda: None
    end = time.monotonic() + timeout
    return lambda: max(0.0, end - time.monotonic())
