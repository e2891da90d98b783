"""Takes libtorch's headers and libraries out of pip wheels; only bootstrap.sh calls it.

unpack_wheels.py --cuda-requirements WHEELS      prints the CUDA packages that the torch wheel in the folder asks for
unpack_wheels.py WHEELS TREE HEADER MANIFEST     unpacks torch, torch.libs and nvidia into TREE, and writes the list of
                                                 sizes and names by the wheels' own directories, HEADER first
"""

import pathlib
import re
import sys
import zipfile

WANTED = re.compile(
    r"torch/include/.+"
    r"|torch/lib/[^/]+\.so[.0-9]*"
    r"|torch\.libs/[^/]+\.so[.0-9]*"
    r"|nvidia/.+/lib/[^/]+\.so[.0-9]*"
)
UNWANTED = re.compile(r"torch/lib/(libtorch_python|libshm|.*_test)\.so")  # for Python, or for tests


def wheels(folder):
    return sorted(pathlib.Path(folder).glob("*.whl"))


def cuda_requirements(folder):
    torch = next(path for path in wheels(folder) if path.name.startswith("torch-"))
    with zipfile.ZipFile(torch) as archive:
        name = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        text = archive.read(name).decode()
    for line in text.splitlines():
        found = re.match(r"Requires-Dist: ((?:nvidia-|cuda-toolkit)[^;]*)", line)
        if found and "extra ==" not in line:
            print(found.group(1).strip())


def unpack(folder, tree, header, manifest):
    lines = set()
    for path in wheels(folder):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                name = entry.filename
                if entry.is_dir() or ".." in name.split("/") or "\n" in name:
                    continue
                if WANTED.fullmatch(name) and not UNWANTED.fullmatch(name):
                    archive.extract(entry, tree)  # checks the CRC
                    lines.add(f"{entry.file_size} {name}")
    names = {line.split(" ", 1)[1] for line in lines}
    for needed in ("torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/include/torch/script.h"):
        if needed not in names:
            sys.exit(f"no {needed} in the wheel")
    pathlib.Path(manifest).write_text("\n".join([header, *sorted(lines)]) + "\n")


if sys.argv[1] == "--cuda-requirements":
    cuda_requirements(sys.argv[2])
else:
    unpack(*sys.argv[1:])
