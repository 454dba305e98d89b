"""A page in Markdown, its pictures in files beside it."""

from __future__ import annotations

from split_surgery.pages.parts import Commands, Heading, Page, Part, Pictures, Words

MARK = "<!-- made by split-surgery report; made again, this file is replaced -->"
"""The first line: a file that has it may be replaced."""


def markdown(page: Page, folder: str) -> str:
    """The text of the page; a drawing is `folder`/NAME.png."""
    lines = [MARK, "", f"# {page.title}"]
    for section in page.sections:
        lines += ["", f"## {section.title}"]
        for part in section.parts:
            lines += ["", _part(part, folder)]
    return "\n".join(lines) + "\n"


def _part(part: Part, folder: str) -> str:
    if isinstance(part, Words):
        return _plain(part.text)
    if isinstance(part, Heading):
        return f"### {_plain(part.text)}"
    if isinstance(part, Commands):
        return "\n".join(f"    {line}" for line in part.lines)
    if isinstance(part, Pictures):
        return "\n\n".join(f"![{_plain(drawing.about)}]({folder}/{drawing.name}.png)" for drawing in part.drawings)
    return part.markdown()


def _plain(text: str) -> str:
    """Names of layers are full of what Markdown takes for emphasis."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#" else letter for letter in text)
