"""A producer with shmkit: pans over a picture and puts the frames into a segment.

    python camera.py assets/lake.png posix:/camera

``window.py``, a program of PyQt6 without any shmkit, shows them. The picture is read by Qt here too, for want
of another reader of pictures.
"""

import argparse
import itertools
import time

import frames
from PyQt6.QtGui import QImage

import shmkit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("picture")
    parser.add_argument("key", help="in its text form: posix:/camera")
    options = parser.parse_args()
    picture = QImage(options.picture).convertToFormat(QImage.Format.Format_RGB32)

    with shmkit.SharedMemory.create(options.key, frames.SIZE) as segment:
        print("created", flush=True)
        for number in itertools.count(1):
            left, top = frames.corner(number, picture.width(), picture.height())
            part = picture.copy(left, top, frames.WIDTH, frames.HEIGHT)
            with segment.lock(timeout=5.0) as held:
                segment.write_at(frames.PIXELS, part.constBits().asstring(part.sizeInBytes()))
                segment.write_at(0, frames.header(number))
                if held.owner_died:
                    held.mark_recovered()  # whatever it left half-written is written over
            time.sleep(1 / 30)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
