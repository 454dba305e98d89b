"""A page in Markdown, its pictures in files beside it."""

from __future__ import annotations

import os
import re
from html import escape
from urllib.parse import quote

from split_surgery.reporting.pages.parts import Commands, Details, Heading, Page, PagePart, Pictures, Words

MARK = "<!-- made by split-surgery report; made again, this file is replaced -->"
"""The first line: a file that has it may be replaced."""


def markdown(page: Page, folder: str) -> str:
    """The text of the page; a drawing is `folder`/NAME.png."""
    lines = [MARK, "", f"# {page.title}"]
    for section in page.sections:
        lines += ["", f"## {_plain(section.title)}"]
        for part in section.parts:
            lines += ["", _part(part, folder)]
    return "\n".join([*lines, "", "---", "", _plain(page.foot)]) + "\n"


def _part(part: PagePart, folder: str) -> str:
    if isinstance(part, Words):
        return _plain(part.text)
    if isinstance(part, Heading):
        return f"### {_plain(part.text)}"
    if isinstance(part, Commands):
        return "\n".join(f"    {line}" for text in part.lines for line in text.splitlines())
    if isinstance(part, Details):
        inside = "\n\n".join(_part(one, folder) for one in part.parts)
        return f"<details>\n<summary>{escape(' '.join(part.summary.split()))}</summary>\n\n{inside}\n\n</details>"
    if isinstance(part, Pictures):
        return "\n\n".join(
            f"![{_plain(drawing.about)}]({quote(os.fsencode(folder))}/{drawing.name}.png)" for drawing in part.drawings
        )
    return part.markdown()


def _plain(text: str) -> str:
    """Names of layers are full of what Markdown takes for emphasis."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#" else letter for letter in " ".join(text.split()))


def pictures(text: bytes, folder: str) -> set[str]:
    """The names of the pictures in that folder that a page of ours shows."""
    if not text.startswith(MARK.encode()):
        return set()
    link = rb"(?m)^!\[.*\]\(%b/([a-z0-9_-]+\.png)\)$" % re.escape(quote(os.fsencode(folder))).encode()
    return {name.decode() for name in re.findall(link, text)}
