"""Pages put where the user said, beside their pictures."""

from __future__ import annotations

import os
from pathlib import Path

from split_surgery.errors import UsageError
from split_surgery.files import Output, OutputDir, PathLike, Progress, read_file
from split_surgery.pages import html, markdown
from split_surgery.pages.parts import Page

SUFFIXES = (".html", ".md")


def check_name(output: PathLike, force: bool) -> None:
    """Whether a page may be written there: a file that this program has not made is somebody's own.

    Raises:
        UsageError: it may not, or its suffix says no form of page.
    """
    path = Path(output)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"-o {os.fspath(output)}: must end in .html or .md")
    if path.is_file() and not force:
        mark = html.GENERATOR if path.suffix.lower() == ".html" else markdown.MARK
        if mark.encode() not in read_file(path)[:2000]:
            raise UsageError(
                f"{os.fspath(output)} is there, and no report made it", hint="choose another name, or --force"
            )


def write_page(page: Page, output: PathLike, progress: Progress) -> tuple[str, tuple[str, ...]]:
    """Write the page, in the form that its name says: its status (written or unchanged), and the pictures beside it."""
    path = Path(output)
    if path.suffix.lower() == ".html":
        return _put(path.parent, [Output(path.name, [html.html(page).encode()])], progress), ()
    folder = f"{path.stem}_files"
    drawings = page.drawings()
    pictures = []
    for done, drawing in enumerate(drawings):
        progress("drawing", done, len(drawings))
        pictures.append(Output(f"{drawing.name}.png", [drawing.saved("png")]))
    states = [_put(path.parent / folder, pictures, progress)] if pictures else []
    # Last: a page is there once all that it shows is.
    states.append(_put(path.parent, [Output(path.name, [markdown.markdown(page, folder).encode()])], progress))
    status = "unchanged" if set(states) == {"unchanged"} else "written"
    return status, tuple(str(path.parent / folder / picture.name) for picture in pictures)


def _put(folder: Path, outputs: list[Output], progress: Progress) -> str:
    directory = OutputDir(folder)
    if not directory.differing(outputs):
        return "unchanged"
    directory.create(outputs, progress)
    return "written"
