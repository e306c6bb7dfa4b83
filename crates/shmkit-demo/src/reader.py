"""A reader that is a real Qt program: joins the segment by its key with PyQt6.

It does what `reader.rs` does, and speaks the words of `words.rs`.
"""

import ctypes
import json
import statistics
import struct
import sys
import time
import zlib

from PyQt6.QtCore import QNativeIpcKey, QSharedMemory

HEADER = struct.Struct("=QQI")  # number, length, checksum
PIXELS = 64


def say(word, **more):
    """Says one word to the parent."""
    print(json.dumps({"word": word, **more}), flush=True)


def must(done, memory):
    """Ends the process with what Qt says if it refused."""
    if not done:
        sys.exit(f"Qt: {memory.errorString()}")


class Reader:
    """What it copied, and how that went."""

    def __init__(self, memory):
        self.memory = memory
        self.waits = []
        self.frames = self.bytes = self.checksum_errors = 0
        self.last_frame = self.last_checksum = 0
        self.copying = 0.0

    def look(self):
        """Copies the frame out if it is a new one, and checks it."""
        asked = time.perf_counter()
        must(self.memory.lock(), self.memory)
        self.waits.append(time.perf_counter() - asked)
        try:
            start = int(self.memory.constData())
            header = ctypes.string_at(start, HEADER.size)
            number, length, checksum = HEADER.unpack(header)
            if number == self.last_frame:
                return
            began = time.perf_counter()
            pixels = ctypes.string_at(start + PIXELS, length)
            self.copying += time.perf_counter() - began
        finally:
            must(self.memory.unlock(), self.memory)
        self.frames += 1
        self.bytes += length
        self.last_frame = number
        self.last_checksum = zlib.crc32(pixels)
        self.checksum_errors += self.last_checksum != checksum

    def figures(self):
        """The fields of `Figures` in `tally.rs`."""
        return {
            "frames": self.frames,
            "bytes": self.bytes,
            "copy_seconds": self.copying,
            "lock_wait_median_seconds": statistics.median(self.waits or [0.0]),
            "lock_wait_max_seconds": max(self.waits, default=0.0),
            "checksum_errors": self.checksum_errors,
            "last_frame": self.last_frame,
            "last_checksum": self.last_checksum,
        }


def main():
    memory = QSharedMemory(QNativeIpcKey.fromString(sys.argv[1]))
    must(memory.attach(QSharedMemory.AccessMode.ReadOnly), memory)
    reader = Reader(memory)
    say("attached")
    for line in sys.stdin:
        order = json.loads(line)["order"]
        if order == "look":
            reader.look()
        elif order == "leave":
            must(memory.detach(), memory)
            say("left", removed=False, figures=reader.figures())
            return


main()
