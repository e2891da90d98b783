"""Broken images and decompression bombs, each labelled with --strict: a broken one among many is listed, and ends in exit code 1."""

import struct
import zlib

from annotations import LABEL, image
from png import SIGNATURE, chunk, header, png, zeros
from sandbox import Case


def tiff(entries, next_offset=0, tail=b""):
    """Little-endian TIFF with one directory; entries are (tag, type, count, value)."""
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", next_offset) + tail


def tiff_entries(width, height, strip_offset=200, strip_bytes=64, **other):
    values = {
        256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, other.get("compression", 1)),
        262: (3, 1, other.get("photometric", 1)), 273: (4, other.get("strips", 1), strip_offset), 277: (3, 1, other.get("samples", 1)),
        278: (4, 1, other.get("rows", height)), 279: (4, other.get("strips", 1), strip_bytes),
    }
    return [(tag, *value) for tag, value in sorted(values.items())]


def bmp(width, height, bits=24, offset=54, data=bytes(64), header_size=40, colours=0, compression=0):
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, offset) + struct.pack(
        "<IiiHHIIiiII", header_size, width, height, 1, bits, compression, 0, 0, 0, colours, 0) + data


def webp(kind, data, size=None):
    body = b"WEBP" + kind + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def jpeg_of_size(jpeg, width, height):
    """The JPEG with other numbers in its frame header."""
    data = bytearray(jpeg)
    at = 2
    while data[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def bomb_chunk(kind, prefix):
    compressor = zlib.compressobj(9)
    data = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(1000)) + compressor.flush()
    return chunk(kind, prefix + data)


def cases(settings):
    jpeg = settings["jpeg"].read_bytes()
    good = png(64, 48)
    palette = chunk(b"PLTE", bytes(3))
    rows = zlib.compress(b"".join(b"\0" + b"\xff" * 64 for _ in range(48)))
    listed = [
        ("control: good PNG, size not told", "done", good),
        ("empty", "error", b""),
        ("one byte", "error", b"\x89"),
        ("text", "error", b"this is no image\n"),
        ("SVG", "error", b"<svg xmlns='x'><script>alert(1)</script></svg>"),
        ("GIF", "error", b"GIF89a" + bytes(64)),
        ("PNG: signature only", "error", SIGNATURE),
        ("PNG: cut in the middle", "error", good[: len(good) // 2]),
        ("PNG: wrong check sum in the header", "error", good[:29] + b"\0\0\0\0" + good[33:]),
        ("PNG: 0 x 0", "error", SIGNATURE + header(0, 0) + good[33:]),
        ("PNG: claims 100,000 x 100,000", "error", SIGNATURE + header(100_000, 100_000) + good[33:]),
        ("PNG: claims 2^31-1 x 2^31-1", "error", SIGNATURE + header(2**31 - 1, 2**31 - 1) + good[33:]),
        ("PNG: claims 4,000 x 4,000, holds 48 rows", "error", SIGNATURE + header(4000, 4000) + good[33:]),
        ("PNG: bomb of 400 million pixels", "error", lambda: zeros(20_000, 20_000)),
        ("PNG: 196 million pixels, under the limit", "any", lambda: zeros(14_000, 14_000)),
        ("PNG: text chunk that inflates to 1 GB", "any", lambda: png(64, 48, bomb_chunk(b"zTXt", b"k\0\0"))),
        ("PNG: colour profile that inflates to 1 GB", "any", lambda: png(64, 48, bomb_chunk(b"iCCP", b"p\0\0"))),
        ("PNG: 100,000 empty chunks", "any", lambda: png(64, 48, chunk(b"tEXt", b"k\0v") * 100_000)),
        ("PNG: chunk length 2^32-1", "error", SIGNATURE + header(64, 48) + chunk(b"IDAT", b"", 2**32 - 1)),
        ("PNG: palette too short", "any", SIGNATURE + header(64, 48, 8, 3) + palette + chunk(b"IDAT", rows) + chunk(b"IEND", b"")),
        ("PNG: palette missing", "any", SIGNATURE + header(64, 48, 8, 3) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")),
        ("PNG: depth 7", "error", SIGNATURE + header(64, 48, 7) + good[33:]),
        ("JPEG: start only", "error", jpeg[:2] + bytes(64)),
        ("JPEG: cut in the header", "error", jpeg[:300]),
        ("JPEG: cut in the middle", "any", jpeg[: len(jpeg) // 2]),
        ("JPEG: claims 65,500 x 65,500", "error", jpeg_of_size(jpeg, 65_500, 65_500)),
        ("JPEG: claims 0 x 0", "error", jpeg_of_size(jpeg, 0, 0)),
        ("JPEG: a byte in 50 changed", "any", bytes(b if i < 700 or i % 50 else b ^ 0x5A for i, b in enumerate(jpeg))),
        ("JPEG: 60,000 comment segments", "any", lambda: jpeg[:2] + b"\xff\xfe\x00\x02" * 60_000 + jpeg[2:]),
        ("TIFF: header only", "error", b"II*\0\x08\0\0\0"),
        ("TIFF: directory beyond the end", "error", b"II*\0\xff\xff\xff\x7f"),
        ("TIFF: directory that names itself next", "any", tiff(tiff_entries(8, 8), next_offset=8, tail=bytes(200))),
        ("TIFF: claims 2^31 x 2^31", "error", tiff(tiff_entries(2**31, 2**31), tail=bytes(200))),
        ("TIFF: claims 100,000 x 100,000 packed", "error", tiff(tiff_entries(100_000, 100_000, compression=32773), tail=bytes(200))),
        ("TIFF: strip of 4 GB", "any", tiff(tiff_entries(8, 8, strip_bytes=2**32 - 1), tail=bytes(200))),
        ("TIFF: 2^30 strips", "error", tiff(tiff_entries(8, 8, strips=2**30), tail=bytes(200))),
        ("TIFF: 65,535 samples a pixel", "error", tiff(tiff_entries(8, 8, samples=65535), tail=bytes(200))),
        ("BigTIFF: offset 2^63", "error", b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**63)),
        ("WebP: size of 4 GB told", "error", webp(b"VP8 ", bytes(32), 2**32 - 2)),
        ("WebP: lossless, 16,384 x 16,384, no data", "error", webp(b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(16))),
        ("WebP: extended, 2^24 x 2^24 canvas", "error", webp(b"VP8X", bytes(4) + b"\xff" * 6)),
        ("BMP: header cut", "error", b"BM" + bytes(10)),
        ("BMP: 2^31-1 x 2^31-1", "error", bmp(2**31 - 1, 2**31 - 1)),
        ("BMP: height -2^31", "error", bmp(8, -(2**31))),
        ("BMP: width -8", "error", bmp(-8, 8)),
        ("BMP: pixels beyond the end", "error", bmp(64, 48, offset=2**31)),
        ("BMP: palette of 2^32-1 colours", "any", bmp(8, 8, bits=8, colours=2**32 - 1)),
        ("BMP: run-length data without end", "any",
         bmp(8, 8, bits=8, colours=2, compression=1, offset=62, data=bytes(8) + b"\xff\x01" * 40)),
    ]
    options = ["--checkpoint", settings["checkpoint"], "--crop-size", settings["crop"], "--strict"]

    def case(name, expect, content):
        def build(sandbox):
            file = image(file_name="bad.img")
            for key in ("width", "height"):
                del file["images"][0][key]
            file["annotations"][0]["bbox"] = [1, 1, 6, 6]
            sandbox.write("boxes.json", file)
            sandbox.write("images/bad.img", content() if callable(content) else content)
            return LABEL + options
        return Case("image: " + name, expect, build)

    for item in listed:
        yield case(*item)
