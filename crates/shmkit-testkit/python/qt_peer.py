"""One QSharedMemory and one QSystemSemaphore of a real Qt, driven by lines on standard input.

Each command gets exactly one line as its answer: `>>ok RESULT` or `>>no NUMBER TEXT`, the number and
text of Qt's error, or -1 and an exception. An argument that starts with `"` is read as JSON, for keys
with odd characters.

    new KEY               a QSharedMemory with this key in string form (an empty one without KEY)
    set-key KEY           setNativeKey() with this key
    legacy NAME           a QSharedMemory(NAME), as programs before Qt 6.6 make it
    create SIZE [ro]      ok: the size
    attach [ro]           ok: the size
    detach, lock, unlock
    size                  ok: the size
    read OFFSET LENGTH    ok: the bytes in hex
    write OFFSET HEX
    fill OFFSET LENGTH BYTE
    incr ROUNDS           so many times: lock, add 1 to the little-endian u64 at 0, unlock; ok: its value
    state                 ok: JSON with attached, size, error, errorString, key, nativeKey, ipcKey
    error                 always `no`: the number and text of the current error
    delete                destroys the QSharedMemory
    keys NAME             ok: JSON, the string forms that Qt makes of NAME
    parse KEY             ok: JSON with valid, type, nativeKey, string
    sem-new KEY [VALUE [create]]      a QSystemSemaphore with this key
    sem-acquire, sem-release [N], sem-delete
    pid                   ok: the process id
    quit
"""

import ctypes
import json
import os
import sys

from PyQt6.QtCore import QNativeIpcKey, QSharedMemory, QSystemSemaphore

TYPES = {"posix": QNativeIpcKey.Type.PosixRealtime, "systemv": QNativeIpcKey.Type.SystemV}
READ_ONLY = QSharedMemory.AccessMode.ReadOnly
READ_WRITE = QSharedMemory.AccessMode.ReadWrite


class Refused(Exception):
    """Qt said no; the object knows why."""

    def __init__(self, thing):
        self.number = thing.error().value
        self.text = thing.errorString()


def die_with_parent():
    """Ask the kernel to kill this process when its parent dies."""
    if sys.platform == "linux":
        pr_set_pdeathsig, sigkill = 1, 9
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, sigkill)


def ipc_key(text):
    """The key of a string form, or of a JSON string that holds one."""
    return QNativeIpcKey.fromString(plain(text)) if text else QNativeIpcKey()


def plain(text):
    """The text itself, or what it says as JSON."""
    return json.loads(text) if text.startswith('"') else text


def mode(words):
    """The access mode that the words ask for."""
    return READ_ONLY if "ro" in words else READ_WRITE


class Peer:
    """The commands; each method is one, with `_` for `-`."""

    def __init__(self):
        self.memory = None
        self.semaphore = None

    def memory_must(self, done, result=""):
        if not done:
            raise Refused(self.memory)
        return result

    def semaphore_must(self, done):
        if not done:
            raise Refused(self.semaphore)

    def address(self, offset, length):
        if not 0 <= offset <= offset + length <= self.memory.size():
            raise IndexError(f"{offset}+{length} is outside of {self.memory.size()} bytes")
        return int(self.memory.constData()) + offset

    def new(self, key=""):
        self.memory = QSharedMemory(ipc_key(key))

    def set_key(self, key=""):
        self.memory.setNativeKey(ipc_key(key))

    def legacy(self, name=""):
        self.memory = QSharedMemory(plain(name))

    def create(self, words):
        size, *rest = words.split()
        return self.memory_must(self.memory.create(int(size), mode(rest)), self.memory.size())

    def attach(self, words=""):
        return self.memory_must(self.memory.attach(mode(words.split())), self.memory.size())

    def detach(self):
        return self.memory_must(self.memory.detach())

    def lock(self):
        return self.memory_must(self.memory.lock())

    def unlock(self):
        return self.memory_must(self.memory.unlock())

    def size(self):
        return self.memory.size()

    def read(self, words):
        offset, length = map(int, words.split())
        return ctypes.string_at(self.address(offset, length), length).hex()

    def write(self, words):
        offset, *data = words.split()
        data = bytes.fromhex("".join(data))
        ctypes.memmove(self.address(int(offset), len(data)), data, len(data))

    def fill(self, words):
        offset, length, byte = (int(word, 0) for word in words.split())
        ctypes.memset(self.address(offset, length), byte, length)

    def incr(self, rounds):
        counter = ctypes.c_uint64.from_address(self.address(0, 8))
        lock, unlock = self.memory.lock, self.memory.unlock
        for _ in range(int(rounds)):
            if not lock():
                raise Refused(self.memory)
            counter.value += 1
            if not unlock():
                raise Refused(self.memory)
        return counter.value

    def state(self):
        memory = self.memory
        return json.dumps({
            "attached": memory.isAttached(),
            "size": memory.size(),
            "error": memory.error().value,
            "errorString": memory.errorString(),
            "key": memory.key(),
            "nativeKey": memory.nativeKey(),
            "ipcKey": memory.nativeIpcKey().toString(),
        })

    def error(self):
        raise Refused(self.memory)

    def delete(self):
        self.memory = None

    def keys(self, name=""):
        makers = {
            "memory": QSharedMemory.legacyNativeKey,
            "semaphore": QSystemSemaphore.legacyNativeKey,
            "safe": QSharedMemory.platformSafeKey,
        }
        return json.dumps({
            f"{what}-{kind}": make(plain(name), type).toString()
            for what, make in makers.items()
            for kind, type in TYPES.items()
        })

    def parse(self, key=""):
        parsed = ipc_key(key)
        return json.dumps({
            "valid": parsed.isValid(),
            "type": parsed.type().value,
            "nativeKey": parsed.nativeKey(),
            "string": parsed.toString(),
        })

    def sem_new(self, words):
        key, _, rest = words.partition(" ")
        value, _, how = rest.partition(" ")
        access = QSystemSemaphore.AccessMode
        how = access.Create if how == "create" else access.Open
        self.semaphore = QSystemSemaphore(ipc_key(key), int(value or 0), how)
        self.semaphore_must(self.semaphore.error().value == 0)

    def sem_acquire(self):
        self.semaphore_must(self.semaphore.acquire())

    def sem_release(self, count="1"):
        self.semaphore_must(self.semaphore.release(int(count)))

    def sem_delete(self):
        self.semaphore = None

    def pid(self):
        return os.getpid()

    def quit(self):
        self.memory = self.semaphore = None


def answer(peer, line):
    """Carries out one line and says how it went."""
    command, _, argument = line.partition(" ")
    method = getattr(Peer, command.replace("-", "_"), None)
    try:
        if method is None:
            raise ValueError(f"no such command: {command}")
        result = method(peer, argument) if argument else method(peer)
        return "ok" if result in (None, "") else f"ok {result}"
    except Refused as refused:
        return f"no {refused.number} {refused.text}"
    except Exception as error:  # the answer must be one line, whatever went wrong
        return f"no -1 {error!r}"


def say(word):
    """Says one line to the parent."""
    sys.stdout.write(f">>{word}\n")
    sys.stdout.flush()


def main():
    die_with_parent()
    peer = Peer()
    say("ready")
    for line in sys.stdin:
        line = line.rstrip("\n")
        say(answer(peer, line))
        if line == "quit":
            break
    peer.quit()


main()
