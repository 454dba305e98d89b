"""Draw the pictures of pictures.md again, by the commands that stand in it: python docs/draw.py [DIR]."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "fashion_vgg"


def commands() -> list[list[str]]:
    """The commands that draw, as words, without the program."""
    lines = re.findall(r"^ {4}split-surgery (plot .*)$", (HERE / "pictures.md").read_text(), re.MULTILINE)
    return [shlex.split(line) for line in lines]


def main(folder: Path) -> None:
    for words in commands():
        program = Path(sys.executable).with_name("split-surgery")
        subprocess.run([program, *words[:-1], folder / words[-1], "-q"], cwd=EXAMPLE, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else HERE / "pictures")
