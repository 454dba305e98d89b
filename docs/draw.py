"""Draw the pictures of docs/ again: python docs/draw.py [DIR].

Those of pictures.md are drawn by the commands that stand in it. split-and-fold.png, which the README shows, is three block diagrams
side by side: the first layers of the example's net, split, and folded after it was trained.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

from split_surgery import fold, plot, residual
from split_surgery.cli.main import main as command

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "fashion_vgg"
LAST = "conv1_2"
"""The last layer of the net that split-and-fold.png shows."""


def commands() -> list[list[str]]:
    """The commands that draw, as words, without the program."""
    lines = re.findall(r"^split-surgery (plot .*)$", (HERE / "pictures.md").read_text(), re.MULTILINE)
    return [shlex.split(line) for line in lines]


def split_and_fold(path: Path) -> None:
    """The example's first layers before the split, after it, and folded again."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        base = folder / "base.prototxt"
        text = (EXAMPLE / "deploy.prototxt").read_text()
        base.write_text(text[: text.index("\n}\n", text.index(f'name: "{LAST}"')) + 3])
        snapshots = str(EXAMPLE / "snapshots" / "*.caffemodel")
        residual(base, EXAMPLE / "fashion_vgg.caffemodel", folder / "split", snapshots=snapshots)
        trained = EXAMPLE / "derived1" / "grow_iter_1000.caffemodel"
        fold(folder / "split" / "net.prototxt", trained, folder / "folded")
        nets = {"before": base, "split: train this": folder / "split", "folded: deploy this": folder / "folded"}
        images = {}
        for title, net in nets.items():
            plot.net(net, folder / "one.png")
            images[title] = plt.imread(folder / "one.png")[48:]  # without its own title
    widths, heights = zip(*((image.shape[1], image.shape[0]) for image in images.values()))
    figure, axes = plt.subplots(
        1, 3, width_ratios=widths, figsize=(sum(widths) / 130, max(heights) / 130 + 0.4), dpi=130
    )
    for axis, (title, image) in zip(axes, images.items()):
        axis.imshow(image)
        axis.set_title(title, fontsize=11)
        axis.set_anchor("N")
        axis.axis("off")
    figure.tight_layout(pad=0.5)
    figure.savefig(path, pil_kwargs={"optimize": True})
    plt.close(figure)


def main(folder: Path) -> None:
    os.chdir(EXAMPLE)
    split_and_fold(folder / "split-and-fold.png")
    for words in commands():
        sys.argv = ["split-surgery", *words[:-1], str(folder / words[-1]), "-q"]
        try:
            command()  # all in this process: loading matplotlib takes longer than drawing
        except SystemExit as done:
            if done.code:
                raise


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else HERE / "pictures")
