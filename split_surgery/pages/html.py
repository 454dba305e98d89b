"""A page as one HTML file that holds everything it needs and asks the network for nothing."""

from __future__ import annotations

import re
from html import escape
from importlib.resources import files

from split_surgery.pages.parts import Commands, Heading, Page, Part, Pictures, Section, Words, slugs
from split_surgery.pictures.style import FAINT, GRID, INK, MARK, PAPER, Picture

GENERATOR = '<meta name="generator" content="split-surgery report">'
"""A file that has it may be replaced."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""What the browser lets the page load: nothing but itself."""

LEAST = 0.8
"""How far a drawing shrinks before it is scrolled instead: its letters stay readable."""

_BORDERS = {"-": "solid", "--": "dashed", ":": "dotted", "-.": "dashed"}


def html(page: Page) -> str:
    """The text of the page."""
    style, script = (files("split_surgery.pages").joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    colours = "; ".join(
        f"--{n}: {c}" for n, c in (("ink", INK), ("faint", FAINT), ("grid", GRID), ("paper", PAPER), ("mark", MARK))
    )
    places = slugs([one.title for one in page.sections])
    links = "\n".join(f'<li><a href="#{at}">{escape(one.title)}</a></li>' for at, one in zip(places, page.sections))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
{GENERATOR}
<title>{escape(page.title)}</title>
<style>
:root {{ {colours} }}
{style}</style>
</head>
<body>
<header>
<h1>{escape(page.title)}</h1>
<nav aria-label="Sections"><ul>
{links}
</ul></nav>
</header>
<main>
{"".join(map(_section, places, page.sections))}</main>
<script>
{script}</script>
</body>
</html>
"""


def _section(place: str, section: Section) -> str:
    body = "\n".join(map(_part, section.parts))
    return f'<section id="{place}">\n<h2>{escape(section.title)}</h2>\n{body}\n</section>\n'


def _part(part: Part) -> str:
    if isinstance(part, Words):
        return f"<p>{escape(part.text)}</p>"
    if isinstance(part, Heading):
        return f"<h3>{escape(part.text)}</h3>"
    if isinstance(part, Commands):
        return _scrolled("Commands", f"<pre><code>{escape(chr(10).join(part.lines))}</code></pre>")
    if isinstance(part, Pictures):
        return '<div class="beside">\n' + "\n".join(map(_figure, part.drawings)) + "\n</div>"
    return _scrolled(part.title or "Table", part.html())


def _scrolled(label: str, body: str) -> str:
    """What is wider than a narrow screen; it can be scrolled by keyboard, too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">\n{body}\n</div>'


def _figure(drawing: Picture) -> str:
    about = escape(drawing.about)
    svg = drawing.inline()
    width = re.search(r'<svg [^>]*?width="([\d.]+)pt"', svg)
    points = float(width[1]) if width is not None else 576.0
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    size = f"width:100%;max-width:{1.3 * points:.0f}pt;min-width:{LEAST * points:.0f}pt"
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{about}" style="{size}" ', 1)
    toggles = _toggles(drawing) if drawing.legend else ""
    inside = f"{toggles}{_scrolled('Drawing', svg)}\n<figcaption>{about}</figcaption>"
    return f'<figure id="picture-{drawing.name}" style="flex: 1 1 {points:.0f}pt">\n{inside}\n</figure>'


def _toggles(drawing: Picture) -> str:
    """A check box for each line; they do nothing without scripts, and are hidden then."""
    boxes = "\n".join(
        f'<label><input type="checkbox" checked data-lines="{drawing.name}-line-{at}-"> '
        f'<span class="swatch" style="border-top:3px {_BORDERS.get(dash, "solid")} {colour}"></span>{escape(name)}</label>'
        for at, (name, colour, dash) in enumerate(drawing.legend)
    )
    buttons = '<button type="button" data-all="on">all</button> <button type="button" data-all="off">none</button>'
    return f"<fieldset hidden><legend>Lines</legend>\n{boxes}\n{buttons}\n</fieldset>\n{_legend(drawing)}"


def _legend(drawing: Picture) -> str:
    """The same for those who have no scripts."""
    names = ", ".join(
        f'<span class="swatch" style="border-top:3px {_BORDERS.get(dash, "solid")} {colour}"></span>{escape(name)}'
        for name, colour, dash in drawing.legend
    )
    return f"<noscript><p>{names}</p></noscript>\n"
