"""A page as one HTML file that holds everything it needs and asks the network for nothing."""

from __future__ import annotations

import re
from html import escape
from importlib.resources import files

from split_surgery.reporting.pages.parts import (
    Commands,
    Details,
    Heading,
    Page,
    PagePart,
    Pictures,
    Section,
    Words,
    slugs,
)
from split_surgery.reporting.pictures.style import FAINT, GRID, INK, MARK, PAPER, Picture

GENERATOR = '<meta name="generator" content="split-surgery report">'
"""A file that has it may be replaced."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""What the browser lets the page load: nothing but itself."""

LEAST = 0.8
"""How far a drawing shrinks before it is scrolled instead: its letters stay readable."""

_DASHES = {"-": "none", "--": "7 3", ":": "2 2.5", "-.": "7 2.5 2 2.5"}


def html(page: Page) -> str:
    """The text of the page."""
    style, script = (
        files("split_surgery.reporting.pages").joinpath(name).read_text("utf-8") for name in ("page.css", "page.js")
    )
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
<a class="skip" href="#-main">Skip to the content</a>
<header>
<h1>{escape(page.title)}</h1>
<nav aria-label="Sections"><ul>
{links}
</ul></nav>
</header>
<main id="-main" tabindex="-1">
{"".join(map(_section, places, page.sections))}</main>
<footer><p>{escape(page.foot)}</p></footer>
<script>
{script}</script>
</body>
</html>
"""


def _section(place: str, section: Section) -> str:
    body = "\n".join(map(_part, section.parts))
    return f'<section id="{place}">\n<h2>{escape(section.title)}</h2>\n{body}\n</section>\n'


def _part(part: PagePart) -> str:
    if isinstance(part, Words):
        return f"<p>{escape(part.text)}</p>"
    if isinstance(part, Heading):
        return f"<h3>{escape(part.text)}</h3>"
    if isinstance(part, Commands):
        return _scrolled("Commands", f"<pre><code>{escape(chr(10).join(part.lines))}</code></pre>")
    if isinstance(part, Details):
        inside = "\n".join(map(_part, part.parts))
        return f"<details>\n<summary>{escape(part.summary)}</summary>\n{inside}\n</details>"
    if isinstance(part, Pictures):
        return '<div class="beside">\n' + "\n".join(map(_figure, part.drawings)) + "\n</div>"
    return _scrolled(part.title or f"Table of {', '.join(filter(None, part.columns)) or 'facts'}", part.html())


def _scrolled(label: str, body: str) -> str:
    """What is wider than a narrow screen; it can be scrolled by keyboard, too (the script takes away what is no use)."""
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(label)}">\n{body}\n</div>'


def _figure(drawing: Picture) -> str:
    about = escape(drawing.about)
    svg = drawing.inline()
    width = re.search(r'<svg [^>]*?width="([\d.]+)pt"', svg)
    points = float(width[1]) if width is not None else 576.0
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    size = f"width:100%;max-width:{1.3 * points:.0f}pt;min-width:{LEAST * points:.0f}pt"
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{about}" style="{size}" ', 1)
    toggles = _toggles(drawing) if drawing.legend else ""
    inside = f"{toggles}{_scrolled(f'Drawing {drawing.name}', svg)}\n<figcaption>{about}</figcaption>"
    return f'<figure id="picture-{drawing.name}" style="flex: 1 1 {points:.0f}pt">\n{inside}\n</figure>'


def _toggles(drawing: Picture) -> str:
    """A check box for each line; and what the lines are for those who print, or have no scripts."""
    entries = [(f"{_swatch(colour, dash)}{escape(name)}", at) for at, (name, colour, dash) in enumerate(drawing.legend)]
    boxes = "\n".join(
        f'<label><input type="checkbox" checked data-lines="{drawing.name}-line-{at}-"> <span>{text}</span></label>'
        for text, at in entries
    )
    buttons = '<button type="button" data-all="on">all</button> <button type="button" data-all="off">none</button>'
    key = "\n".join(f"<span>{text}</span>" for text, _ in entries)
    return f'<fieldset hidden><legend>Lines</legend>\n{boxes}\n{buttons}\n</fieldset>\n<p class="key">{key}</p>\n'


def _swatch(colour: str, dash: str) -> str:
    line = (
        f'<line x1="0" y1="4" x2="28" y2="4" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{_DASHES[dash]}"/>'
    )
    return f'<svg class="swatch" width="28" height="8" aria-hidden="true">{line}</svg>'
