"""PNG files, good and bad, from the standard library."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data, length=None):
    body = kind + data
    return struct.pack(">I", len(data) if length is None else length) + body + struct.pack(">I", zlib.crc32(body))


def header(width, height, depth=8, colour=2, interlace=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def png(width, height, extra=b""):
    """An RGB picture with a slope."""
    rows = b"".join(
        b"\0" + bytes(v for x in range(width) for v in ((x * 4) % 256, (y * 5) % 256, (x + y) % 256)) for y in range(height))
    return SIGNATURE + header(width, height) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def zeros(width, height, colour=0):
    """A black picture of any size, compressed a thousandfold, written without holding its pixels."""
    compressor = zlib.compressobj(9)
    row = bytes(1 + width * (3 if colour == 2 else 1))
    data = b"".join(compressor.compress(row) for _ in range(height)) + compressor.flush()
    return SIGNATURE + header(width, height, 8, colour) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def labels(rows, depth=8, interlace=0):
    """A grey picture of numbers, of 8 or 16 bits."""
    code = ">%dH" if depth == 16 else ">%dB"
    data = b"".join(b"\0" + struct.pack(code % len(row), *row) for row in rows)
    return (SIGNATURE + header(len(rows[0]), len(rows), depth, 0, interlace) + chunk(b"IDAT", zlib.compress(data))
            + chunk(b"IEND", b""))
