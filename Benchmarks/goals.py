"""The goals of issue 4 that a CPU can show, one of our own (memory), and whether a number meets them.

A goal is a largest value.
"""

# Of the time of plain PyTorch, by row of speed.py.
STEP_RATIOS = {
    ("train", "tiny"): 0.75, ("train", "base"): 0.9, ("infer", "tiny"): 0.75, ("infer", "base"): 0.9,
    ("meanfield", "tiny"): 0.15}
# Of the time of the fastest of ONNX Runtime and OpenVINO.
RIVAL_RATIOS = {"fp32": 0.8, "int8": 0.9}
# Of the memory of plain PyTorch.
MEMORY_RATIO = 0.8
# Milliseconds of one core, by item of data.py.
ITEM_MS = {"test": 3, "training": 6, "post": 1}
COCO_SECONDS, COCO_MIB = 6, 2048
# Of pycocotools' time.
PRECISION_RATIO = 0.5

checked = []


def verdict(name, value, goal):
    """"goal 0.75 met", "goal 0.75 MISSED", or "no goal"; kept for the summary."""
    if goal is None:
        return "no goal"
    met = value <= goal
    checked.append({"name": name, "value": value, "goal": goal, "met": met})
    return f"goal {goal:g} " + ("met" if met else "MISSED")


def summary():
    """What was checked, as text."""
    missed = [c for c in checked if not c["met"]]
    lines = [f"{len(checked) - len(missed)} of {len(checked)} goals met"]
    lines += [f"  missed: {c['name']}: {c['value']:.3g}, goal {c['goal']:g}" for c in missed]
    return "\n".join(lines)
