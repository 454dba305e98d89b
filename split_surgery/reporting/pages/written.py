"""Pages put where the user said, beside their pictures."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from split_surgery.documents.source import PathLike, Progress, named, read_file
from split_surgery.errors import UsageError
from split_surgery.reporting.pages import html, markdown
from split_surgery.reporting.pages.parts import Page
from split_surgery.workspace.output_dir import Output, OutputDir, remove

_SUFFIXES = (".html", ".md")

_OUR_PNG = re.compile(rb"\x89PNG.{,400}Software\0split-surgery", re.DOTALL)
"""How a picture begins that `Picture.saved` made."""


def check_name(output: PathLike, force: bool) -> None:
    """Whether a page may be written there: what this program has not made is somebody's own.

    Raises:
        UsageError: it may not, or its suffix says no form of page.
    """
    path = Path(named(output))
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise UsageError(f"-o {os.fspath(output)}: must end in .html or .md")
    if os.path.isdir(path):
        raise UsageError(f"-o {os.fspath(output)}: is a directory")
    mark, folder = html.GENERATOR if suffix == ".html" else markdown.MARK, _folder(path)
    there = read_file(path) if os.path.isfile(path) else b""
    theirs = [path] if os.path.lexists(path) and mark.encode() not in there[:2000] else []
    if (
        suffix == ".md"
        and os.path.lexists(folder)
        and not (markdown.pictures(there, folder.name) or _only_ours(folder))
    ):
        theirs.append(folder)
    if theirs and not force:
        raise UsageError(f"{theirs[0]} is there, and no report made it", hint="choose another name, or --force")


def _folder(path: Path) -> Path:
    return path.parent / f"{path.stem}_files"


def _only_ours(folder: Path) -> bool:
    """Whether a folder holds nothing but pictures of this program's, as one does whose page was never finished."""
    if not folder.is_dir() or folder.is_symlink():
        return False
    files = [folder / name for name in OutputDir(folder).entries()]
    return bool(files) and all(path.is_file() and _OUR_PNG.match(read_file(path)) for path in files)


def write_page(
    page: Page, output: PathLike, inputs: Sequence[PathLike], progress: Progress
) -> tuple[str, tuple[str, ...]]:
    """Write the page, in the form that its name says: its status (written or unchanged), and the pictures beside it.

    Pictures of an earlier page of that name that this one has not are removed.

    Raises:
        UsageError: the page would replace one of the files that it tells of.
    """
    path = Path(output)
    if path.suffix.lower() == ".html":
        return _put(path.parent, [_page(path, html.html(page))], inputs, progress), ()
    folder = _folder(path)
    drawings = page.drawings()
    pictures = []
    for done, drawing in enumerate(drawings):
        progress("drawing", done, len(drawings))
        pictures.append(Output(f"{drawing.name}.png", [drawing.saved("png")]))
    text = _page(path, markdown.markdown(page, folder.name))
    OutputDir(path.parent).refuse_inputs([text], inputs)
    before = markdown.pictures(read_file(path), folder.name) if os.path.isfile(path) else set()
    states = [_put(folder, pictures, inputs, progress)] if pictures else []
    # Last: a page is there once all that it shows is.
    states.append(_put(path.parent, [text], inputs, progress))
    for name in sorted(before - {picture.name for picture in pictures}):
        remove(folder / name)
    status = "unchanged" if set(states) == {"unchanged"} else "written"
    return status, tuple(str(folder / picture.name) for picture in pictures)


def _page(path: Path, text: str) -> Output:
    return Output(path.name, [text.encode("utf-8", "replace")])  # a name may hold bytes that are no UTF-8


def _put(folder: Path, outputs: list[Output], inputs: Sequence[PathLike], progress: Progress) -> str:
    directory = OutputDir(folder)
    directory.tidy()
    if not directory.differing(outputs):
        return "unchanged"
    directory.refuse_inputs(outputs, inputs)
    directory.replace(outputs, progress)
    return "written"
