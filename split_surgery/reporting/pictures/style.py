"""What all drawings share: colours that colour-blind readers tell apart, and files that are identical for identical input."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, FAINT, GRID, PAPER, MARK = "#1a1c20", "#5c626b", "#d4d7dc", "#fefefe", "#d9ebf7"
"""Text and lines, what is beside the point, grids, the background, and what is marked. A page puts its own in their places."""

FAST, SLOW = "#0072b2", "#c07c00"

LINES = ("#0072b2", "#d55e00", "#009e73", "#c0599a", "#c07c00", "#3d93cc", "#7f7f7f")
"""After Okabe and Ito's palette (Color Universal Design, 2008), its light colours darkened: each stands out from both backgrounds,
white and nearly black, by 3 to 1 or more."""

Dash = Literal["-", "--", ":", "-."]
DASHES: tuple[Dash, ...] = ("-", "--", ":", "-.")
"""Every three lines another: what colour-blind readers may take for each other has not the same."""

DPI = 150
MOST_PIXELS = 60_000
"""The longest side of a png (matplotlib's renderer takes 65,535)."""

_SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "text.parse_math": False,  # a layer may be called anything
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "hatch.color": PAPER,
    "hatch.linewidth": 1.2,
    "svg.hashsalt": "split-surgery",
    "image.composite_image": False,
    "pdf.fonttype": 42,
}


@contextmanager
def style() -> Iterator[None]:
    """Settings of our own for what is drawn inside, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box is drawn in its place
            yield


@dataclass(frozen=True)
class Hint:
    """What a browser says where the pointer rests on a part of a drawing.

    Attributes:
        gid: of the part in matplotlib. at: a point of it, as axes, x and y; without one the whole part says it.
    """

    gid: str
    text: str
    at: tuple[Axes, float, float] | None = None


@dataclass(frozen=True)
class Picture:
    """A drawing.

    Attributes:
        name: a word for files. about: what it shows, for those who do not see it.
        legend: of lines that a page can show and hide: what each is called, and its colour and dash.
        hints: values for who points at them.
    """

    name: str
    about: str
    figure: Figure = field(repr=False, compare=False)
    legend: tuple[tuple[str, str, str], ...] = ()
    hints: tuple[Hint, ...] = field(default=(), repr=False, compare=False)

    def saved(self, suffix: str) -> bytes:
        """The file of a suffix (png, svg, pdf): the same bytes for the same drawing and version of matplotlib."""
        about = printable(self.about)
        latin = about.encode("latin-1", "replace").decode("latin-1")  # as PNG's texts are
        metadata = {"png": {"Software": f"split-surgery, matplotlib {matplotlib.__version__}", "Description": latin},
                 "svg": {"Date": None, "Creator": "split-surgery", "Title": about},
                 "pdf": {"CreationDate": None, "Producer": None, "Creator": "split-surgery", "Title": about}}  # fmt: skip
        dpi = min(DPI, MOST_PIXELS / max(self.figure.get_size_inches()))
        out = io.BytesIO()
        with style():
            FigureCanvasAgg(self.figure)
            self.figure.savefig(out, format=suffix, dpi=dpi, facecolor=PAPER, metadata=metadata[suffix])
        return out.getvalue()

    def inline(self) -> str:
        """The drawing as an <svg> element in the colours (--ink and so on) and the font of the page that it stands in."""
        out = io.StringIO()
        with style():
            matplotlib.rcParams["svg.fonttype"] = "none"
            matplotlib.rcParams["svg.hashsalt"] = f"split-surgery {self.name}"
            FigureCanvasAgg(self.figure)
            self.figure.savefig(out, format="svg", facecolor="none", metadata={"Date": None, "Creator": None})
        text = out.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        for colour, word in ((INK, "ink"), (FAINT, "faint"), (GRID, "grid"), (PAPER, "paper"), (MARK, "mark")):
            text = text.replace(colour, f"var(--{word})")
        text = self._with_hints(text)
        # One page holds several drawings: what they refer to inside must not meet.
        text = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{self.name}-", text)
        return _TIDY.sub("", text)

    def _with_hints(self, svg: str) -> str:
        """The drawing with a <title> in each part that has a hint, and an unseen spot around each point that has one."""
        inside: dict[str, list[str]] = {}
        points, height = 72 / self.figure.dpi, 72 * self.figure.get_figheight()
        for hint in self.hints:
            title = f"<title>{escape(printable(hint.text))}</title>"
            if hint.at is not None:
                axes, *place = hint.at
                x, y = axes.transData.transform(place)
                if not axes.bbox.contains(x, y):  # it is beyond the top
                    continue
                spot = f'cx="{points * x:.1f}" cy="{height - points * y:.1f}" r="5"'
                title = f'<circle class="hint" {spot} fill="none" pointer-events="all">{title}</circle>'
            inside.setdefault(hint.gid, []).append(title)
        return re.sub(r'<g id="([^"]+)">', lambda group: group[0] + "\n".join(inside.get(group[1], [])), svg)

    def _repr_html_(self) -> str:
        colours = ";".join((f"--ink:{INK}", f"--faint:{FAINT}", f"--grid:{GRID}", f"--paper:{PAPER}", f"--mark:{MARK}"))
        return f'<div style="max-width:60em;background:{PAPER};{colours}">{self.inline()}</div>'


_TIDY = re.compile(r"(?<=\n)\s+|<!--.*?-->\n?")


LONGEST_NAME = 48
"""Letters of a name before its middle is left out."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """The text without what no picture can hold: control characters and bytes that are no UTF-8."""
    return _UNPRINTABLE.sub("\ufffd", text)


def short(text: str, longest: int = LONGEST_NAME) -> str:
    """A name as it is drawn."""
    half = (longest - 1) // 2
    return printable(text if len(text) <= longest else f"{text[:half]}…{text[-half:]}")


def plain_axes(axes: Axes) -> None:
    """Axes for a picture: no ticks, no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def line_style(at: int) -> tuple[str, Dash]:
    """The colour and the dash of the line of that number."""
    return LINES[at % len(LINES)], DASHES[at // 3 % len(DASHES)]


def rows_and_columns(count: int, wide: float = 1.6) -> tuple[int, int]:
    """A grid for so many things, about `wide` times as wide as high."""
    columns = max(1, min(count, round(math.sqrt(count * wide))))
    return -(-count // columns), columns
