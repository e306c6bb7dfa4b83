"""The same producer with PyQt6's QSharedMemory: the program that exists already.

    python qt_camera.py assets/lake.png posix:/camera

``watch.py`` reads the frames with shmkit, and ``window.py`` shows them.
"""

import argparse
import itertools
import sys
import time

import frames
from PyQt6.QtCore import QNativeIpcKey, QSharedMemory
from PyQt6.QtGui import QImage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("picture")
    parser.add_argument("key", help="in its text form: posix:/camera")
    options = parser.parse_args()
    picture = QImage(options.picture).convertToFormat(QImage.Format.Format_RGB32)

    memory = QSharedMemory(QNativeIpcKey.fromString(options.key))
    if not memory.create(frames.SIZE):
        sys.exit(memory.errorString())
    print("created", flush=True)
    for number in itertools.count(1):
        left, top = frames.corner(number, picture.width(), picture.height())
        part = picture.copy(left, top, frames.WIDTH, frames.HEIGHT)
        memory.lock()
        data = memory.data()
        data[frames.PIXELS : frames.SIZE] = part.constBits().asstring(part.sizeInBytes())
        data[0 : frames.HEADER.size] = frames.header(number)
        memory.unlock()
        time.sleep(1 / 30)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
