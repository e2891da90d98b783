"""Takes libtorch's headers and libraries out of pip wheels; only bootstrap.sh calls it.

unpack_wheels.py --requirements VARIANT WHEELS          prints the packages that the torch wheel in the folder needs beside it
unpack_wheels.py VARIANT WHEELS TREE HEADER MANIFEST    unpacks torch, torch.libs and nvidia into TREE, and writes the list of
                                                        sizes and names by the wheels' own directories, HEADER first

VARIANT is cuda, or cpu: of a wheel with CUDA only what its CPU half needs to load.
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
# libtorch_cpu.so of a wheel with CUDA is linked to these two libraries of NVIDIA's. They load without a GPU or a driver.
LINKED = {"cudart": "cuda-runtime", "cupti": "cuda-cupti"}
NOT_CPU = re.compile(
    r"torch/lib/(libtorch_cuda.*|libtorch_nvshmem|libc10_cuda|libcaffe2_nvrtc|libtorch_global_deps|libtorch)\.so"
    rf"|nvidia/(?!.+/lib/lib({'|'.join(LINKED)})\.so).*"
)
WITH_CUDA = "torch/lib/libtorch_cuda.so"


def wheels(folder):
    return sorted(pathlib.Path(folder).glob("*.whl"))


def requirements(variant, folder):
    torch = next(path for path in wheels(folder) if path.name.startswith("torch-"))
    with zipfile.ZipFile(torch) as archive:
        names = archive.namelist()
        metadata = next(n for n in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        text = archive.read(metadata).decode()
        if variant == "cpu":
            if WITH_CUDA not in names:
                return
            library = archive.read("torch/lib/libtorch_cpu.so")
            linked = [name for name in LINKED if re.search(rb"\0lib%s\.so\.\d+\0" % name.encode(), library)]
    for line in text.splitlines():
        found = re.match(r"Requires-Dist: ((nvidia-|cuda-toolkit)[^;]*)", line)
        if not found or "extra ==" in line:
            continue
        requirement = found[1].strip()
        if variant == "cuda":
            print(requirement)
        elif found[2] == "cuda-toolkit":
            # One package with an extra a library, since CUDA 13.
            extras = [name for name in linked if re.search(rf"[\[,]{name}[\],]", requirement)]
            if extras:
                print(re.sub(r"\[.*\]", f"[{','.join(extras)}]", requirement))
        elif any(requirement.startswith(f"nvidia-{LINKED[name]}") for name in linked):
            print(requirement)


def unpack(variant, folder, tree, header, manifest):
    lines = set()
    for path in wheels(folder):
        with zipfile.ZipFile(path) as archive:
            has_cuda = WITH_CUDA in archive.namelist() or not path.name.startswith("torch-")
            for entry in archive.infolist():
                name = entry.filename
                if entry.is_dir() or ".." in name.split("/") or "\n" in name:
                    continue
                if not WANTED.fullmatch(name) or UNWANTED.fullmatch(name):
                    continue
                if variant == "cpu" and has_cuda and NOT_CPU.fullmatch(name):
                    continue
                archive.extract(entry, tree)  # checks the CRC
                lines.add(f"{entry.file_size} {name}")
    names = {line.split(" ", 1)[1] for line in lines}
    for needed in ("torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/include/torch/script.h"):
        if needed not in names:
            sys.exit(f"no {needed} in the wheel")
    pathlib.Path(manifest).write_text("\n".join([header, *sorted(lines)]) + "\n")


if sys.argv[1] == "--requirements":
    requirements(*sys.argv[2:])
else:
    unpack(*sys.argv[1:])
