"""The example of a camera and a window runs, both ways round: real pictures, real PyQt6, real processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from qt_support import LIMIT, key_folder

ROOT = Path(__file__).parents[3]
EXAMPLES = Path(__file__).parents[1] / "examples" / "qt"
PICTURE = str(ROOT / "assets" / "lake.png")

EXPECTED = """
import sys, zlib
sys.path.insert(0, sys.argv[1])
import frames
from PyQt6.QtGui import QImage
picture = QImage(sys.argv[2]).convertToFormat(QImage.Format.Format_RGB32)
part = picture.copy(*frames.corner(int(sys.argv[3]), picture.width(), picture.height()), 640, 400)
if len(sys.argv) == 4:
    print(f"{zlib.crc32(part.constBits().asstring(part.sizeInBytes())):08x}")
else:
    shot = QImage(sys.argv[4]).convertToFormat(QImage.Format.Format_RGB32)
    edge = (shot.width() - 640) // 2
    print(shot.copy(edge, edge, 640, 400) == part)
"""


@pytest.fixture
def folder(key: str) -> Iterator[Path]:
    yield from key_folder(key)


def example(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(EXAMPLES / name), *arguments]


def run(command: list[str]) -> str:
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=2 * LIMIT, env=environment
    )
    return done.stdout


def expected(*arguments: str) -> str:
    return run([sys.executable, "-c", EXPECTED, str(EXAMPLES), PICTURE, *arguments]).strip()


@contextmanager
def camera(name: str, key: str) -> Iterator[None]:
    """A camera that runs as long as the block."""
    process = subprocess.Popen(example(name, PICTURE, key), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "created\n"
        yield
    finally:
        process.kill()
        process.communicate(timeout=LIMIT)


@pytest.mark.parametrize("name", ["camera.py", "qt_camera.py"])
@pytest.mark.parametrize("form", ["posix:/{}", "systemv:/dev/shm/{}-keys/camera"])
def test_frames_arrive_in_a_window_of_pyqt_and_in_a_program_with_shmkit(
    name: str, form: str, key: str, folder: Path, tmp_path: Path
) -> None:
    shot = str(tmp_path / "window.png")
    text = form.format(key)
    with camera(name, text):
        shown = run(example("window.py", text, "--frames", "3", "--screenshot", shot))
        number = re.fullmatch(r"showed frame (\d+)\n", shown)
        assert number is not None, shown
        assert expected(number[1], shot) == "True"

        lines = run(example("watch.py", text, "--frames", "3")).splitlines()
        assert len(lines) == 3
        for line in lines:
            told = re.fullmatch(r"frame (\d+): 640 x 400 pixels, CRC-32 ([0-9a-f]{8})", line)
            assert told is not None, line
            assert expected(told[1]) == told[2]


def test_the_documents_show_the_window() -> None:
    assert (ROOT / "docs" / "window.png").read_bytes().startswith(b"\x89PNG")
