"""Hostile and truncated checkpoints: safetensors, torch.save archives, and pickles that want to run something."""

import collections
import io
import json
import os
import pickle
import struct
import sys
import types
import zipfile
import zlib

from annotations import BASE, LABEL
from sandbox import Case


# Stand-ins under torch's own names, so that Python's pickler writes what torch.save writes.
def _rebuild_tensor_v2(*_):
    raise AssertionError("only its name is used")


class FloatStorage:
    pass


for _name, _members in {"torch": {"FloatStorage": FloatStorage}, "torch._utils": {"_rebuild_tensor_v2": _rebuild_tensor_v2}}.items():
    _module = sys.modules.setdefault(_name, types.ModuleType(_name))
    for _key, _value in _members.items():
        _value.__module__ = _name
        setattr(_module, _key, _value)


class Storage:
    def __init__(self, key, count):
        self.key, self.count = key, count


class Tensor:
    def __init__(self, shape, stride, offset=0, key="0", count=16):
        self.arguments = (Storage(key, count), offset, shape, stride, False, collections.OrderedDict())

    def __reduce__(self):
        return _rebuild_tensor_v2, self.arguments


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return ("storage", FloatStorage, value.key, "cpu", value.count) if isinstance(value, Storage) else None


def pickled(value, protocol=2):
    file = io.BytesIO()
    Pickler(file, protocol).dump(value)
    return file.getvalue()


def archive(data, storages=None, method=zipfile.ZIP_STORED, names=()):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as out:
        out.writestr("archive/data.pkl", data)
        for key, content in (storages if storages is not None else {"0": bytes(64)}).items():
            out.writestr("archive/data/" + key, content)
        out.writestr("archive/version", "3\n")
        for name in names:
            out.writestr(name, "evil")
    return file.getvalue()


def state(tensor):
    return archive(pickled({"state_dict": collections.OrderedDict([("student.backbone.cls_token", tensor)])}))


def safetensors(header, data=bytes(64), length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape=(16,), offsets=(0, 64), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def safetensors_cases(settings):
    def real(count):
        return lambda: open(settings["checkpoint"], "rb").read(count)

    good = safetensors({"w": entry()})
    yield "empty", b""
    yield "text", b"weights?\n" * 20
    yield "header of 2^63 bytes", safetensors({"w": entry()}, length=2**63)
    yield "header longer than the file", safetensors({"w": entry()}, length=100_000)
    yield "header of no bytes", struct.pack("<Q", 0)
    yield "header is a list", safetensors(b"[]")
    yield "header is broken JSON", safetensors(b'{"w": {')
    yield "header 50,000 deep", safetensors(b'{"w":' * 50_000 + b"1" + b"}" * 50_000)
    yield "entry is a number", safetensors({"w": 5})
    yield "unknown dtype", safetensors({"w": entry(dtype="F33")})
    yield "negative shape", safetensors({"w": entry((-4, -4))})
    yield "shape overflows", safetensors({"w": entry((2**32, 2**32))})
    yield "shape of 2^70", safetensors({"w": entry((2**70,))})
    yield "shape times dtype is not the size", safetensors({"w": entry((15,))})
    yield "offsets beyond the end", safetensors({"w": entry((1000,), (0, 4000))})
    yield "offsets reversed", safetensors({"w": entry((16,), (64, 0))})
    yield "offsets of 2^64-1", safetensors({"w": entry((16,), (2**64 - 65, 2**64 - 1))})
    yield "offsets overlap", safetensors({"v": entry(), "w": entry()})
    yield "a shape of 100,000 sizes", safetensors({"w": entry((1,) * 100_000, (0, 4))}, bytes(4))
    yield "one name twice", safetensors(b'{"w":%s,"w":%s}' % ((json.dumps(entry()).encode(),) * 2))
    yield "one byte short", good[:-1]
    yield "a real one, its first 100 bytes", real(100)
    yield "a real one, its first megabyte", real(1 << 20)


def pickle_cases(sandbox_root):
    """Each with what `checkpoint info` may do: an archive that only carries odd objects may be shown, with them inert."""
    marker = str(sandbox_root / "PWNED")
    command = f"touch {marker}"
    yield "runs os.system", "any", archive(pickled({"state_dict": {}, "callbacks": Call(os.system, command)}))
    yield "runs os.system at the top", "any", archive(pickled(Call(os.system, command)))
    yield "runs exec", "any", archive(pickled({"a": Call(exec, f"open({marker!r}, 'w')")}))
    yield "opens a file", "any", archive(pickled({"a": Call(open, marker, "w")}))
    yield "GLOBAL of a path", "any", archive(b"\x80\x02c../../x\n../../y\n.")
    yield "nested billion laughs", "any", archive(b"\x80\x02]q\x00" + b"".join(
        b"]" + b"h" + bytes([i]) + b"a" + b"h" + bytes([i]) + b"aq" + bytes([i + 1]) for i in range(80)) + b".")
    yield "nested tuples, doubled 80 times", "any", archive(b"\x80\x02K\x01" + b"2\x86" * 80 + b".")
    yield "a key made of doubled tuples", "any", archive(b"\x80\x02}K\x01" + b"2\x86" * 80 + b"K\x01s.")
    yield "a million lists deep", "any", archive(b"\x80\x02" + b"]" * 1_000_000 + b"a" * 999_999 + b".")
    yield "three million tuples deep", "any", archive(b"\x80\x02)" + b"\x85" * 3_000_000 + b".")
    yield "a million dictionaries deep", "any", archive(b"\x80\x02}" + b"K\x01}" * 1_000_000 + b"s" * 1_000_000 + b".")
    yield "list that holds itself", "any", archive(b"\x80\x02]q\x00h\x00a.")
    yield "text of 2^62 bytes", "error", archive(b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.")
    yield "bytes of 2^63 bytes", "error", archive(b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"x.")
    yield "integer of -1 bytes", "error", archive(b"\x80\x02\x8b" + struct.pack("<i", -1) + b".")
    yield "integer of 200,000 bytes", "any", archive(b"\x80\x02\x8b" + struct.pack("<i", 200_000) + b"\x7f" * 200_000 + b".")
    yield "frame of 2^63 bytes", "any", archive(b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"}.")
    yield "memo index 2^32-1", "any", archive(b"\x80\x02}r\xff\xff\xff\xff.")
    yield "memo index never set", "error", archive(b"\x80\x02h\x63.")
    yield "pops an empty stack", "error", archive(b"\x80\x020000.")
    yield "no mark", "error", archive(b"\x80\x02t.")
    yield "appends to a number", "error", archive(b"\x80\x02K\x01K\x02a.")
    yield "unknown operation", "error", archive(b"\x80\x02\xfe.")
    yield "protocol 200", "any", archive(b"\x80\xc8}.")
    yield "without an end", "error", archive(b"\x80\x02}")
    yield "empty pickle", "error", archive(b"")
    yield "a number at the top", "error", archive(b"\x80\x02K\x01.")
    yield "persistent id is a number", "error", archive(b"\x80\x02K\x01Q.")
    yield "persistent id of a folder climb", "error", archive(pickled({"w": Tensor((4,), (1,), key="../../../../etc/passwd")}))
    yield "encrypted TAO file", "error", archive(pickled({"state_dict_encrypted": True, "state_dict": bytes(256)}))


def tensor_cases():
    yield "tensor larger than its storage", state(Tensor((1000,), (1,)))
    yield "storage larger than its record", archive(pickled({"w": Tensor((100,), (1,), count=100)}))
    yield "storage of 2^62 numbers", state(Tensor((4,), (1,), count=2**62))
    yield "offset beyond the storage", state(Tensor((4,), (1,), offset=13))
    yield "offset of 2^63-1", state(Tensor((4,), (1,), offset=2**63 - 1))
    yield "negative offset", state(Tensor((4,), (1,), offset=-4))
    yield "negative stride", state(Tensor((4,), (-1,)))
    yield "stride of 2^62", state(Tensor((4, 4), (2**62, 1)))
    yield "stride 0 over 2^40 numbers", state(Tensor((2**20, 2**20), (0, 0)))
    yield "negative size", state(Tensor((-4,), (1,)))
    yield "shape overflows", state(Tensor((2**32, 2**32), (0, 0)))
    yield "more sizes than strides", state(Tensor((2, 2), (1,)))
    yield "shape of text", state(Tensor(("4",), (1,)))
    yield "storage record missing", state(Tensor((4,), (1,), key="7"))


def zip_cases():
    good = state(Tensor((16,), (1,)))
    end = good.rindex(b"PK\x05\x06")
    directory = good.index(b"PK\x01\x02")
    yield "cut in the middle", "error", good[: len(good) // 2]
    yield "without its directory", "error", good[:directory]
    yield "directory beyond the end", "error", good[: end + 16] + struct.pack("<I", 2**31) + good[end + 20 :]
    yield "65,535 records told", "any", good[: end + 8] + b"\xff" * 4 + good[end + 12 :]
    yield "record beyond the end", "error", good[: directory + 42] + struct.pack("<I", 2**31) + good[directory + 46 :]
    yield "record of 4 GB", "error", good[: directory + 20] + b"\xfe\xff\xff\xff" * 2 + good[directory + 28 :]
    yield "64-bit end that points nowhere", "error", good[:end] + b"PK\x06\x06" + b"\xff" * 52 + b"PK\x06\x07" + b"\xff" * 16 + good[end:]
    yield "names that climb", "any", archive(pickled({}), names=["../../evil", "/tmp/evil"])
    yield "pickle deflated from 1 GB", "error", deflated
    yield "100,000 records", "any", lambda: archive(pickled({}), names=[f"archive/data/x{i}" for i in range(100_000)])
    yield "no data.pkl", "error", good.replace(b"data.pkl", b"data.pkx")
    yield "legacy tar", "error", b"storages" + bytes(249) + b"ustar\0" + bytes(512)
    yield "legacy pickle", "error", pickled(0x1950A86A20F9469CFC6C) + pickled(1001) + pickled({"little_endian": True}) + pickled({})
    yield "an ONNX file", "error", b"\x08\x08\x12\x07pytorch" + bytes(100)


def deflated():
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = b"0" * (1 << 20)
    data = b"".join(compressor.compress(block) for _ in range(1000)) + compressor.flush()
    checksum = 0
    for _ in range(1000):
        checksum = zlib.crc32(block, checksum)
    name = b"archive/data.pkl"
    fields = struct.pack("<HHHHIIIHH", 0, 8, 0, 0, checksum, len(data), 1000 << 20, len(name), 0)
    local = b"PK\x03\x04" + struct.pack("<H", 20) + fields + name + data
    central = b"PK\x01\x02" + struct.pack("<HH", 20, 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    return local + central + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)


def cases(settings):
    def write(sandbox, name, content):
        sandbox.write(name, content() if callable(content) else content)

    def info(name, expect, content, suffix=".pth"):
        def build(sandbox):
            write(sandbox, "bad" + suffix, content)
            return ["checkpoint", "info", "bad" + suffix]
        return Case("checkpoint info: " + name, expect, build)

    def label(name, content, suffix=".pth"):
        def build(sandbox):
            write(sandbox, "bad" + suffix, content)
            sandbox.write("boxes.json", BASE)
            return LABEL + ["--checkpoint", "bad" + suffix, "--crop-size", settings["crop"]]
        return Case("checkpoint, label: " + name, "error", build)

    def convert(name, expect, arguments, content=None):
        def build(sandbox):
            if content is not None:
                write(sandbox, "in.pth", content)
            return ["checkpoint", "convert", *arguments]
        return Case("checkpoint convert: " + name, expect, build)

    yield Case("control: checkpoint info", "done", lambda sandbox: ["checkpoint", "info", settings["checkpoint"]])
    for name, content in safetensors_cases(settings):
        yield info("safetensors, " + name, "error", content, ".safetensors")

    # Pickles name the case's own folder, so each is made when its case is built.
    import pathlib

    for index, (name, expect, _) in enumerate(pickle_cases(pathlib.Path("/nowhere"))):
        def picked(sandbox, index=index):
            return list(pickle_cases(sandbox.root))[index][2]

        def build_info(sandbox, picked=picked):
            sandbox.write("bad.pth", picked(sandbox))
            return ["checkpoint", "info", "bad.pth"]

        def build_label(sandbox, picked=picked):
            sandbox.write("bad.pth", picked(sandbox))
            sandbox.write("boxes.json", BASE)
            return LABEL + ["--checkpoint", "bad.pth", "--crop-size", settings["crop"]]

        yield Case("checkpoint info: pickle, " + name, expect, build_info)
        yield Case("checkpoint, label: pickle, " + name, "error", build_label)
    for name, content in tensor_cases():
        yield info("tensor, " + name, "any", content)
        yield label("tensor, " + name, content)
    for name, expect, content in zip_cases():
        yield info("zip, " + name, expect, content)
        yield label("zip, " + name, content)
    yield label("another network's tensors", safetensors({"conv1.weight": entry()}), ".safetensors")
    yield label("right names, wrong shapes", safetensors({"student.backbone.cls_token": entry()}), ".safetensors")
    yield convert("of a hostile file", "error", ["in.pth", "out/out.safetensors"], state(Tensor((1000,), (1,))))
    yield convert("of a missing file", "error", ["in.pth", "out/out.safetensors"])
    yield convert("into a folder", "error", [settings["checkpoint"], "images"])
    yield convert("into a missing folder", "any", [settings["checkpoint"], "out/no/such/out.safetensors"])
    yield Case("checkpoint info: a folder", "error", lambda sandbox: ["checkpoint", "info", "images"])
    yield Case("checkpoint info: /dev/zero", "error", lambda sandbox: ["checkpoint", "info", "/dev/zero"])

    def pipe(sandbox):
        os.mkfifo(sandbox.work / "pipe.pth")
        return ["checkpoint", "info", "pipe.pth"]

    yield Case("checkpoint info: a pipe that nobody writes", "error", pipe)
