"""Values and locks that processes share: what ``shmkit.sync`` and ``shmkit.typed`` are in Rust."""

from ._described import Value, open_typed
from ._forms import f32, f64, i8, i16, i32, i64, u8, u16, u32, u64
from ._guard import Guard, LockHolder
from ._locks import Mutex, RecursiveMutex, RwLock
from ._once import Once, OnceCell
from ._signals import Barrier, Condition, Event, Semaphore
from ._struct import Enum, Struct
from ._values import Array, ArrayString, ArrayVec, Atomic, RingBuffer

__all__ = [
    "Array",
    "ArrayString",
    "ArrayVec",
    "Atomic",
    "Barrier",
    "Condition",
    "Enum",
    "Event",
    "Guard",
    "LockHolder",
    "Mutex",
    "Once",
    "OnceCell",
    "RecursiveMutex",
    "RingBuffer",
    "RwLock",
    "Semaphore",
    "Struct",
    "Value",
    "f32",
    "f64",
    "i16",
    "i32",
    "i64",
    "i8",
    "open_typed",
    "u16",
    "u32",
    "u64",
    "u8",
]
