"""What the programs of this example agree on: where a frame lies in the segment, and what it shows."""

import struct

WIDTH, HEIGHT = 640, 400
"""The size of a frame; a pixel has four bytes: blue, green, red, and one to spare."""

HEADER = struct.Struct("<4sIIQ")
"""The magic number, the width, the height, and the number of the frame."""

MAGIC = b"FRM1"
PIXELS = 64
"""The pixels begin here."""

SIZE = PIXELS + WIDTH * HEIGHT * 4


def header(number: int) -> bytes:
    """What stands before the pixels of a frame."""
    return HEADER.pack(MAGIC, WIDTH, HEIGHT, number)


def corner(number: int, width: int, height: int) -> tuple[int, int]:
    """Which part of a picture the frame shows: the camera pans from one corner to the other, and back."""
    way, across, down = 120, width - WIDTH, height - HEIGHT
    at = abs((number + way) % (2 * way) - way)
    return across * at // way, down * at // way
