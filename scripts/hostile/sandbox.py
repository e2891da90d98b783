"""A folder for one case: inputs in work/, output in work/out/, and everything else watched."""

import json
import os
import pathlib
import stat

from png import png


class Case:
    """`build(sandbox)` writes the inputs and returns the arguments; `expect` is error, usage, done, or any (all but a crash).
    `prepare` runs in the program's process before it starts."""

    def __init__(self, name, expect, build, prepare=None):
        assert expect in ("error", "usage", "done", "any")
        self.name, self.expect, self.build, self.prepare = name, expect, build, prepare


class Sandbox:
    def __init__(self, root):
        self.root = root
        self.work = root / "work"
        self.out = self.work / "out"
        self.log = root.parent / f"{root.name}.log"
        for folder in (self.work / "images", self.out, root / "home", root / "tmp"):
            folder.mkdir(parents=True)
        self.write("images/a.png", png(64, 48))

    def write(self, path, content):
        path = self.work / path
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, (dict, list)):
            content = json.dumps(content)
        path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)

    def snapshot(self):
        """Type, size and time of change of all that is not in the output folder."""
        seen = {}
        for folder, folders, files in os.walk(self.root):
            if pathlib.Path(folder) == self.work and "out" in folders:
                folders.remove("out")
            for name in folders + files:
                path = os.path.join(folder, name)
                info = os.lstat(path)
                regular = stat.S_ISREG(info.st_mode)
                seen[os.path.relpath(path, self.root)] = (
                    stat.S_IFMT(info.st_mode), (info.st_size, info.st_mtime_ns) if regular else None)
        return seen

    def changes(self, before):
        after = self.snapshot()
        return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
