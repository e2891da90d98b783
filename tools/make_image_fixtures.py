"""Writes Tests/Fixtures/images: one small synthetic file per kind of image that is read, and
expected.safetensors with the pixels that Pillow 11.1 makes of each by convert("RGB").

    python tools/make_image_fixtures.py [--out DIR] [--width W] [--height H]

Needs numpy, pillow==11.1.0 and safetensors. Run by hand; the output is committed. Kinds that Pillow
cannot write are written here byte by byte. Files in no_reference (kinds that Pillow reads wrongly or
not at all) come with pixels computed here.
"""

import argparse
import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

arguments = argparse.ArgumentParser()
arguments.add_argument("--out", default="Tests/Fixtures/images")
arguments.add_argument("--width", type=int, default=23)
arguments.add_argument("--height", type=int, default=17)
arguments = arguments.parse_args()
W, H = arguments.width, arguments.height
out = pathlib.Path(arguments.out)
out.mkdir(parents=True, exist_ok=True)
for old in out.iterdir():
    old.unlink()
random = np.random.default_rng(7)
no_reference = {}


def scene(channels, top=255, height=None, width=None):
    """Smooth shapes with some noise, 0…top."""
    y, x = np.mgrid[0 : height or H, 0 : width or W].astype(np.float64)
    planes = [
        np.sin(x / (3 + c) + c) * np.cos(y / (4 + c)) + (np.hypot(x - 9, y - 8) < 6) * (c - 1)
        for c in range(channels)
    ]
    image = np.stack(planes, -1)
    image += random.normal(0, 0.1, image.shape)
    image = (image - image.min()) / (image.max() - image.min()) * top
    return np.round(image).astype(np.uint32)


def put(name, data):
    (out / name).write_bytes(data)


def save(name, image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    put(name, buffer.getvalue())
    return buffer.getvalue()


u8 = lambda a: a.astype(np.uint8)
rgb = Image.fromarray(u8(scene(3)))
rgba = Image.fromarray(u8(scene(4)))
grey = Image.fromarray(u8(scene(1))[..., 0])
la = Image.merge("LA", [grey, rgb.getchannel(0)])
bilevel = grey.point(lambda v: 255 if v > 120 else 0).convert("1")
palette = rgb.quantize(20)
cmyk = Image.fromarray(u8(scene(4)), "CMYK")


def oriented(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


# JPEG
for sampling in (0, 1, 2):
    for quality in (30, 92):
        save(f"jpeg_s{sampling}_q{quality}.jpg", rgb, "JPEG", quality=quality, subsampling=sampling)
save("jpeg_progressive.jpg", rgb, "JPEG", progressive=True, quality=80)
save("jpeg_restart.jpg", rgb, "JPEG", restart_marker_blocks=1)
save("jpeg_grey.jpg", grey, "JPEG")
save("jpeg_grey_progressive.jpg", grey, "JPEG", progressive=True)
save("jpeg_rgb.jpg", rgb, "JPEG", keep_rgb=True, subsampling=0)
data = save("jpeg_cmyk.jpg", cmyk, "JPEG", subsampling=0)
at = data.index(b"Adobe") + 11
put("jpeg_ycck.jpg", data[:at] + b"\2" + data[at + 1 :])
square = Image.fromarray(u8(scene(3, height=32, width=32)))
buffer = io.BytesIO()
square.save(buffer, "JPEG", subsampling=1)
data = bytearray(buffer.getvalue())
at = data.index(b"\xff\xc0") + 11
assert data[at] == 0x21
data[at] = 0x12
put("jpeg_440.jpg", bytes(data))
for value in range(1, 9):
    save(f"jpeg_exif{value}.jpg", rgb, "JPEG", exif=oriented(value))


# PNG
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack(samples, bits):
    """(h, w, c) samples to rows of bytes, most significant bit first."""
    h = samples.shape[0]
    flat = samples.reshape(h, -1).astype(np.uint32)
    if bits == 16:
        return [row.astype(">u2").tobytes() for row in flat]
    shifts = np.arange(bits - 1, -1, -1)
    unpacked = (flat[:, :, None] >> shifts & 1).reshape(h, -1).astype(np.uint8)
    return [np.packbits(row).tobytes() for row in unpacked]


def png(samples, bits, color, interlace=False, before=(), after=()):
    h, w = samples.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlace:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    raw = b""
    for y, x, dy, dx in passes:
        part = samples[y::dy, x::dx]
        if part.size:
            raw += b"".join(b"\0" + row for row in pack(part, bits))
    header = struct.pack(">IIBBBBB", w, h, bits, color, 0, 0, int(interlace))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(chunk(*c) for c in before)
        + chunk(b"IDAT", zlib.compress(raw))
        + b"".join(chunk(*c) for c in after)
        + chunk(b"IEND", b"")
    )


colors = u8(random.integers(0, 256, (256, 3)))
for bits in (1, 2, 4, 8, 16):
    top = 2**bits - 1
    for interlace in (False, True):
        mark = "i" if interlace else ""
        put(f"png_grey{bits}{mark}.png", png(scene(1, top), bits, 0, interlace))
        if bits <= 8:
            table = (b"PLTE", colors[: top + 1].tobytes())
            put(f"png_palette{bits}{mark}.png", png(scene(1, top), bits, 3, interlace, [table]))
        if bits >= 8:
            put(f"png_rgb{bits}{mark}.png", png(scene(3, top), bits, 2, interlace))
            put(f"png_la{bits}{mark}.png", png(scene(2, top), bits, 4, interlace))
            put(f"png_rgba{bits}{mark}.png", png(scene(4, top), bits, 6, interlace))
put("png_grey16_low.png", png(scene(1, 300), 16, 0))
put("png_trns_grey.png", png(scene(1, 255), 8, 0, before=[(b"tRNS", b"\0\x50")]))
put("png_trns_rgb.png", png(scene(3, 255), 8, 2, before=[(b"tRNS", b"\0\x50\0\x60\0\x70")]))
table = (b"PLTE", colors.tobytes())
put("png_trns_palette.png", png(scene(1, 255), 8, 3, before=[table, (b"tRNS", bytes(range(200)))]))
put("png_palette_short.png", png(scene(1, 255), 8, 3, before=[(b"PLTE", colors[:40].tobytes())]))
put("png_gamma.png", png(scene(3), 8, 2, before=[(b"gAMA", struct.pack(">I", 100000))]))
put("png_exif6.png", png(scene(3), 8, 2, before=[(b"eXIf", oriented(6)[6:])]))
save("png_filters.png", rgb, "PNG", optimize=True)
save("png_apng.png", rgb, "PNG", save_all=True, append_images=[rgb.rotate(180)])

# WebP
save("webp_lossy.webp", rgb, "WEBP", quality=70)
save("webp_lossless.webp", rgb, "WEBP", lossless=True)
save("webp_lossy_alpha.webp", rgba, "WEBP", quality=70)
save("webp_lossless_alpha.webp", rgba, "WEBP", lossless=True, exact=True)
save("webp_exif8.webp", rgb, "WEBP", quality=70, exif=oriented(8))
save("webp_animated.webp", rgb, "WEBP", save_all=True, append_images=[rgb.rotate(180)], quality=70)
save("webp_animated_alpha.webp", rgba, "WEBP", save_all=True, append_images=[rgba.rotate(180)], lossless=True)
still = io.BytesIO()
Image.fromarray(u8(scene(3, height=8, width=10))).save(still, "WEBP", lossless=True)
stream = still.getvalue()[12:]


def riff(kind, data):
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)


u24 = lambda v: struct.pack("<I", v)[:3]
frame = u24(2) + u24(1) + u24(9) + u24(7) + u24(100) + b"\0" + stream
body = riff(b"VP8X", b"\x02\0\0\0" + u24(W - 1) + u24(H - 1)) + riff(b"ANIM", b"\0" * 6) + riff(b"ANMF", frame)
put("webp_animated_offset.webp", riff(b"RIFF", b"WEBP" + body))

# TIFF
for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
    for image in (rgb, rgba, grey, la, palette, bilevel, cmyk):
        mode = image.mode.lower()
        if compression == "raw" or image.mode in ("RGB", "1"):
            save(f"tiff_{compression}_{mode}.tif", image, "TIFF", compression=compression)
for compression in ("group3", "group4"):
    save(f"tiff_{compression}.tif", bilevel, "TIFF", compression=compression)
for image in (rgb, grey, cmyk):
    save(f"tiff_jpeg_{image.mode.lower()}.tif", image, "TIFF", compression="jpeg")
signed = scene(1, 700)[..., 0].astype(np.int32) - 200
save("tiff_int32.tif", Image.fromarray(signed), "TIFF")
save("tiff_float.tif", Image.fromarray(signed.astype(np.float32) * 0.77), "TIFF")
save("tiff_pages.tif", rgb, "TIFF", save_all=True, append_images=[grey])


def tiff(samples, bits, photometric, order="<", planar=1, tile=None, deflate=False, extra=None, palette=None,
         orientation=None, fill=1, kind=None, rows=5, big=False):
    """A TIFF file of (h, w, c) samples, in strips of `rows` or square tiles."""
    h, w, count = samples.shape
    planes = [samples] if planar == 1 else [samples[..., c : c + 1] for c in range(count)]
    pieces = []
    for plane in planes:
        step_y, step_x = (tile, tile) if tile else (rows, w)
        for y in range(0, h, step_y):
            for x in range(0, w, step_x):
                part = plane[y : y + step_y, x : x + step_x]
                if tile:
                    part = np.pad(part, [(0, tile - part.shape[0]), (0, tile - part.shape[1]), (0, 0)])
                if bits == 16:
                    data = part.astype(order + "u2").tobytes()
                else:
                    data = b"".join(pack(part, bits))
                if fill == 2:
                    data = bytes(int(f"{b:08b}"[::-1], 2) for b in data)
                pieces.append(zlib.compress(data) if deflate else data)
    start = 16 if big else 8
    offsets, body = [], b""
    for piece in pieces:
        offsets.append(start + len(body))
        body += piece + b"\0" * (len(piece) & 1)
    tags = {256: [w], 257: [h], 258: [bits] * count, 259: [8 if deflate else 1], 262: [photometric],
            277: [count], 284: [planar], 266: [fill]}
    tags.update({322: [tile], 323: [tile], 324: offsets, 325: [len(p) for p in pieces]} if tile
                else {278: [rows], 273: offsets, 279: [len(p) for p in pieces]})
    if extra is not None:
        tags[338] = extra
    if palette is not None:
        tags[320] = palette
    if orientation:
        tags[274] = [orientation]
    if kind:
        tags[339] = [kind] * count
    longs = {273, 279, 324, 325}
    entries, tail = b"", b""
    room = start + len(body) + ((8 + 20 * len(tags) + 8) if big else (2 + 12 * len(tags) + 4))
    for tag in sorted(tags):
        values = tags[tag]
        form = "I" if tag in longs else "H"
        data = struct.pack(order + form * len(values), *values)
        inline = 8 if big else 4
        if len(data) > inline:
            where = room + len(tail)
            tail += data + b"\0" * (len(data) & 1)
            data = struct.pack(order + ("Q" if big else "I"), where)
        entries += struct.pack(order + ("HHQ" if big else "HHI"), tag, 4 if form == "I" else 3, len(values))
        entries += data.ljust(inline, b"\0")
    mark = b"II" if order == "<" else b"MM"
    if big:
        head = mark + struct.pack(order + "HHHQ", 43, 8, 0, start + len(body))
        return head + body + struct.pack(order + "Q", len(tags)) + entries + b"\0" * 8 + tail
    head = mark + struct.pack(order + "HI", 42, start + len(body))
    return head + body + struct.pack(order + "H", len(tags)) + entries + b"\0" * 4 + tail


for order, mark in (("<", "le"), (">", "be")):
    put(f"tiff_grey16_{mark}.tif", tiff(scene(1, 400), 16, 1, order))
    put(f"tiff_rgb16_{mark}.tif", tiff(scene(3, 65535), 16, 2, order))
    put(f"tiff_rgb16_deflate_{mark}.tif", tiff(scene(3, 65535), 16, 2, order, deflate=True))
    put(f"tiff_cmyk16_{mark}.tif", tiff(scene(4, 65535), 16, 5, order))
    put(f"tiff_signed16_{mark}.tif", tiff(scene(1, 65535), 16, 1, order, kind=2))
for bits in (1, 2, 4, 8):
    put(f"tiff_white{bits}.tif", tiff(scene(1, 2**bits - 1), bits, 0))
    put(f"tiff_black{bits}.tif", tiff(scene(1, 2**bits - 1), bits, 1))
    put(f"tiff_fill{bits}.tif", tiff(scene(1, 2**bits - 1), bits, 1, fill=2))
    table = [int(v) * 257 for v in colors[: 2**bits].T.reshape(-1)]
    put(f"tiff_palette{bits}.tif", tiff(scene(1, 2**bits - 1), bits, 3, palette=table))
put("tiff_grey12.tif", tiff(scene(1, 400, width=W + W % 2), 12, 1))
put("tiff_white16.tif", tiff(scene(1, 400), 16, 0))
put("tiff_premultiplied.tif", tiff(scene(4), 8, 2, extra=[1]))
put("tiff_premultiplied16.tif", tiff(scene(4, 65535), 16, 2, extra=[1]))
put("tiff_rgbx.tif", tiff(scene(4), 8, 2, extra=[0]))
put("tiff_rgbxx.tif", tiff(scene(5), 8, 2, extra=[0, 0]))
put("tiff_cmykx.tif", tiff(scene(5), 8, 5, extra=[0]))
put("tiff_planes.tif", tiff(scene(3), 8, 2, planar=2))
put("tiff_planes_deflate.tif", tiff(scene(3), 8, 2, planar=2, deflate=True))
put("tiff_planes_cmyk.tif", tiff(scene(4), 8, 5, planar=2, deflate=True))
put("tiff_tiles.tif", tiff(scene(3), 8, 2, tile=16))
put("tiff_tiles_deflate.tif", tiff(scene(3), 8, 2, tile=16, deflate=True))
put("tiff_tiles_planes.tif", tiff(scene(3), 8, 2, tile=16, planar=2, deflate=True))
put("tiff_tiles_grey.tif", tiff(scene(1), 8, 1, tile=16, deflate=True))
put("tiff_tiles_bits.tif", tiff(scene(1, 1), 1, 1, tile=16, deflate=True))
put("tiff_big.tif", tiff(scene(3), 8, 2, big=True))
put("tiff_big_deflate.tif", tiff(scene(3), 8, 2, order=">", big=True, deflate=True))
for value in range(2, 9):
    put(f"tiff_oriented{value}.tif", tiff(scene(3), 8, 2, deflate=True, orientation=value))


# BMP
def bmp(body, bits, compression=0, table=b"", masks=b"", flipped=False, short=False, colors=0):
    if short:
        head = struct.pack("<IHHHH", 12, W, H, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", 40, W, -H if flipped else H, 1, bits, compression, len(body), 0, 0,
                           colors, 0)
    offset = 14 + len(head) + len(masks) + len(table)
    return struct.pack("<2sIHHI", b"BM", offset + len(body), 0, 0, offset) + head + masks + table + body


def bmp_rows(samples, bits):
    if bits in (16, 32):
        rows = [row.astype("<u2" if bits == 16 else "<u4").tobytes() for row in samples[..., 0]]
    else:
        rows = pack(samples, bits)
    return b"".join(row + b"\0" * (-len(row) % 4) for row in rows)


for image in (rgb, rgba, grey, palette, bilevel):
    save(f"bmp_{image.mode.lower()}.bmp", image, "BMP")
for bits in (1, 4, 8):
    table = b"".join(bytes(c[::-1]) + b"\0" for c in colors[: 2**bits])
    put(f"bmp_palette{bits}.bmp", bmp(bmp_rows(scene(1, 2**bits - 1), bits), bits, table=table))
short = b"".join(bytes(c[::-1]) for c in colors)
put("bmp_os2.bmp", bmp(bmp_rows(scene(1), 8), 8, table=short, short=True))
put("bmp_palette_short.bmp", bmp(bmp_rows(scene(1), 8), 8, table=table[:200], colors=50))
put("bmp_555.bmp", bmp(bmp_rows(scene(1, 32767), 16), 16))
put("bmp_565.bmp", bmp(bmp_rows(scene(1, 65535), 16), 16, 3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F)))
put("bmp_32.bmp", bmp(bmp_rows(scene(1, 2**32 - 1), 32), 32))
put("bmp_32_fields.bmp", bmp(bmp_rows(scene(1, 2**32 - 1), 32), 32, 3,
                              masks=struct.pack("<III", 0xFF000000, 0xFF0000, 0xFF00)))
put("bmp_24.bmp", bmp(bmp_rows(scene(3), 8), 24))
put("bmp_top_down.bmp", bmp(bmp_rows(scene(3), 8), 24, flipped=True))


def runs(indices, wide):
    """Encoded and absolute runs in turn; absolute ones of an even number of pixels."""
    body = b""
    for y, row in enumerate(indices):
        x = 0
        while x < len(row):
            if (x + y) % 3 == 0 and len(row) - x >= 4:
                part = row[x : x + 4]
                body += bytes([0, 4]) + (bytes(part) if wide else bytes([part[0] << 4 | part[1], part[2] << 4 | part[3]]))
                x += 4
            else:
                n = 1
                while n < 9 and x + n < len(row) and row[x + n] == row[x]:
                    n += 1
                body += bytes([n, row[x] if wide else row[x] << 4 | row[x]])
                x += n
        body += b"\0\0"
    return body + b"\0\1"


eight, four = u8(scene(1, 60))[..., 0] // 16, u8(scene(1, 15))[..., 0] // 4
table8 = b"".join(bytes(c[::-1]) + b"\0" for c in colors)
put("bmp_rle8.bmp", bmp(runs(eight.tolist(), True), 8, 1, table=table8))
put("bmp_rle4.bmp", bmp(runs(four.tolist(), False), 4, 2, table=table8[:64]))
# Pillow reads a jump in run-length data wrongly, and drops the last of an odd absolute run.
if W >= 12 and H >= 3:
    body = bytes([3, 7, 0, 2, 4, 2, 2, 9, 0, 3, 1, 2, 3, 0, 0, 1])
    put("bmp_rle8_jump.bmp", bmp(body, 8, 1, table=table8))
    indices = np.zeros((H, W), np.uint8)
    indices[0, :3], indices[2, 7:9], indices[2, 9:12] = 7, 9, [1, 2, 3]
    no_reference["bmp_rle8_jump.bmp"] = colors[indices[::-1]]

expected = {}
for path in sorted(out.iterdir()):
    if path.name in no_reference:
        expected[path.name] = np.ascontiguousarray(no_reference[path.name])
        continue
    try:
        with Image.open(path) as image:
            expected[path.name] = np.ascontiguousarray(np.asarray(image.convert("RGB")))
    except Exception as error:
        print("Pillow cannot read", path.name, repr(error))
        path.unlink()
save_file(expected, out / "expected.safetensors")
print(len(expected), "files,", sum(p.stat().st_size for p in out.iterdir()), "bytes")
