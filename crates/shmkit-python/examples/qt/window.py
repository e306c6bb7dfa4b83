"""A window of PyQt6 that shows the frames in a segment, by Qt's own QSharedMemory.

    python window.py posix:/camera

It has no shmkit in it: this is the program that exists already, and that need not change.
"""

import argparse
import sys

import frames
from PyQt6.QtCore import QNativeIpcKey, QSharedMemory, Qt, QTimer
from PyQt6.QtGui import QImage, QPixmap
from PyQt6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget


class Window(QWidget):
    def __init__(self, key: str) -> None:
        super().__init__()
        self.memory = QSharedMemory(QNativeIpcKey.fromString(key), self)
        self.shown = 0
        self.picture = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        self.picture.setFixedSize(frames.WIDTH, frames.HEIGHT)
        self.text = QLabel(f"waiting for {key}")
        column = QVBoxLayout(self)
        column.addWidget(self.picture)
        column.addWidget(self.text)
        self.setWindowTitle("frames from shared memory")
        self.timer = QTimer(self, interval=15)
        self.timer.timeout.connect(self.look)
        self.timer.start()

    def look(self) -> None:
        """Shows the newest frame, if it is not shown yet."""
        access = QSharedMemory.AccessMode.ReadOnly
        if not self.memory.isAttached() and not self.memory.attach(access):
            return
        if not self.memory.lock():
            return
        data = self.memory.constData()
        magic, width, height, number = frames.HEADER.unpack_from(data)
        pixels = data[frames.PIXELS : frames.SIZE].asstring() if number != self.shown else b""
        self.memory.unlock()
        if magic == frames.MAGIC and pixels:
            image = QImage(pixels, width, height, QImage.Format.Format_RGB32)
            # A copy, as an image only borrows its bytes, and a pixmap would with it.
            self.picture.setPixmap(QPixmap.fromImage(image.copy()))
            key = self.memory.nativeIpcKey().toString()
            self.text.setText(f"frame {number} of {width} x {height} pixels, from {key}")
            self.shown = number


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("key", help="in its text form: posix:/camera")
    parser.add_argument("--frames", type=int, help="end after so many", default=sys.maxsize)
    parser.add_argument("--screenshot", help="where to put a picture of the window at the end")
    options = parser.parse_args()
    application = QApplication(sys.argv[:1])
    window = Window(options.key)
    window.show()
    seen = set()

    def end() -> None:
        seen.add(window.shown)
        if len(seen - {0}) >= options.frames:
            window.timer.stop()
            if options.screenshot:
                window.grab().save(options.screenshot)
            print(f"showed frame {window.shown}", flush=True)
            application.quit()

    window.timer.timeout.connect(end)
    return application.exec()


if __name__ == "__main__":
    sys.exit(main())
