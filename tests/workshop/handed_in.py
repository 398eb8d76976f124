"""Submissions that are made up: the right one, and others that go wrong in their ways."""

from __future__ import annotations

from medgraft.workshop.notebook import Cell, Notebook
from medgraft.workshop.notebooks import solution_cell

TRIED = ("double-conv", "down", "up", "dice-loss", "linear-cka")
FIRST = Cell(
    "code",
    "import os\nimport socket\nfrom pathlib import Path\n\nimport torch\nfrom torch import nn\n"
    "from medgraft.workshop import check, working\nraise SystemExit('of no exercise: not run')",
)
NAMES = {"double-conv": "DoubleConv", "down": "Down", "up": "Up", "dice-loss": "DiceLoss", "linear-cka": "cka"}


def answer(exercise: str, source: str) -> list[Cell]:
    """The cell of an exercise, and that of its check, which a grader does not run."""
    name = NAMES[exercise]
    checked = f"check({exercise!r}, {name})\n{name} = working({exercise!r}, {name})"
    return [
        Cell("code", source, {"tags": ["exercise"], "exercise": exercise}),
        Cell("code", checked, {"tags": ["check"]}),
    ]


def notebook(**instead: str) -> Notebook:
    """The right answers, but for those named, with underscores for hyphens."""
    cells = [FIRST]
    for exercise in TRIED:
        cells += answer(exercise, instead.get(exercise.replace("-", "_"), solution_cell(exercise)))
    return Notebook(tuple(cells))


ONE_CONVOLUTION = """
class DoubleConv(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), nn.ReLU())
"""
OF_THE_CELL_ABOVE = """
class Down(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels))
"""
POOLED = """
def DiceLoss(logits, target, smooth=1.0):
    p = logits.sigmoid()
    return 1 - (2 * (p * target).sum() + smooth) / (p.sum() + target.sum() + smooth)
"""
STUBS = {
    "double_conv": "class DoubleConv(nn.Module):\n    def __init__(self, *_):\n        raise NotImplementedError",
    "down": "class Down(nn.Module):\n    def __init__(self, *_):\n        raise NotImplementedError",
    "up": "class Up(nn.Module):\n    def __init__(self, *_):\n        raise NotImplementedError",
    "dice_loss": "class DiceLoss(nn.Module):\n    def forward(self, *_):\n        raise NotImplementedError",
    "linear_cka": "def cka(x, y):\n    raise NotImplementedError",
}

HALF_RIGHT = notebook(
    double_conv=ONE_CONVOLUTION, down=OF_THE_CELL_ABOVE, dice_loss=POOLED, linear_cka=STUBS["linear_cka"]
)

NOTHING_DONE = notebook(**STUBS)

RAISES_AND_LOOPS = notebook(
    double_conv="class DoubleConv(nn.Module:\n    pass",
    down="%matplotlib inline\n" + OF_THE_CELL_ABOVE + "\nprint(Down(3, 4).nothing)",
    up="import no_such_package\n\nclass Up:\n    pass",
    dice_loss="while True:\n    pass",
    linear_cka="def cka(x, y):\n    while True:\n        pass",
)


def hostile(port: int, grader: int, others: str, package: str) -> Notebook:
    """Tries to read and change what others handed in, the judge, and the grades; forges, leaves, and calls out."""
    writes = f"""
said = []
for place in ["../grades.csv", {others!r}, {others!r} + ".new"]:
    try:
        Path(place).write_text("everybody failed")
        said.append("wrote")
    except OSError as error:
        said.append("OSError")
for attempt in (lambda: os.kill({grader}, 0), lambda: Path({others!r}).read_text()):
    try:
        attempt()
        said.append("reached")
    except OSError:
        said.append("OSError")
said.append(str(os.access({package!r}, os.W_OK)))
raise RuntimeError(" ".join(said))
"""
    patches = """
import medgraft.workshop
import medgraft.workshop.checking as checking
from medgraft.workshop.catalogue import exercise_of

checking.judge = lambda *_: ()
checking.Verdict.passed = True
for probe in exercise_of("down").probes:
    object.__setattr__(probe, "judge", lambda given, answer: None)

class Down(nn.Identity):
    def __init__(self, *_):
        super().__init__()
"""
    calls = f"""
connection = socket.create_connection(("127.0.0.1", {port}), timeout=2)
raise RuntimeError("connected")
"""
    leaves = """
for _ in range(1200):
    os.mkdir("deep")
    os.chdir("deep")
os._exit(0)
"""
    ours = "from medgraft.workshop.solutions.up import Up"
    return notebook(double_conv=writes, down=patches, up=ours, dice_loss=calls, linear_cka=leaves)
