"""Reads the frames of a camera with shmkit, and says what is in them.

    python watch.py posix:/camera --frames 3
"""

import argparse
import sys
import time
import zlib

import frames

import shmkit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("key", help="in its text form: posix:/camera")
    parser.add_argument("--frames", type=int, help="end after so many", default=sys.maxsize)
    options = parser.parse_args()

    seen: set[int] = set()
    with shmkit.SharedMemory.attach(options.key, readonly=True) as segment:
        while len(seen) < options.frames:
            with segment.lock(timeout=5.0):
                magic, width, height, number = frames.HEADER.unpack(segment.read_at(0, frames.HEADER.size))
                is_new = magic == frames.MAGIC and number not in seen
                pixels = segment.read_at(frames.PIXELS, width * height * 4) if is_new else b""
            if is_new:
                seen.add(number)
                checksum = zlib.crc32(pixels)
                print(f"frame {number}: {width} x {height} pixels, CRC-32 {checksum:08x}", flush=True)
            time.sleep(1 / 60)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
