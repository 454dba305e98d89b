"""Draw the pictures of pictures.md again, by the commands that stand in it: python docs/draw.py [DIR]."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

from split_surgery.cli.main import main as command

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "fashion_vgg"


def commands() -> list[list[str]]:
    """The commands that draw, as words, without the program."""
    lines = re.findall(r"^ {4}split-surgery (plot .*)$", (HERE / "pictures.md").read_text(), re.MULTILINE)
    return [shlex.split(line) for line in lines]


def main(folder: Path) -> None:
    os.chdir(EXAMPLE)
    for words in commands():
        sys.argv = ["split-surgery", *words[:-1], str(folder / words[-1]), "-q"]
        try:
            command()  # all in this process: loading matplotlib takes longer than drawing
        except SystemExit as done:
            if done.code:
                raise


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else HERE / "pictures")
