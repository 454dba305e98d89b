"""The one family of errors that leaves the library, the places they point at, and their exit codes."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Sequence
from typing import NamedTuple, Union

ON_WINDOWS = os.name == "nt"
"""Whether the shell that reads a printed command is one of Windows."""

MESSAGE_LIMIT = 1000
"""Characters of a message, its place and its hint that are kept: a file may hold a name or a value of any length."""


def shortened(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """A text of at most about `limit` characters: of a longer one its beginning and its end, with its length between them."""
    if len(text) <= limit:
        return text
    end = limit // 4
    return f"{text[: limit - end]} ... ({len(text):,} characters) ... {text[-end:]}"


class _Repr(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 80, 80
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 8

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write thousands of digits, and takes quadratic time for fewer.
        return repr(x) if x.bit_length() <= 256 else f"a whole number of {x.bit_length():,} bits"


_repr = _Repr()


_OBEYED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0, DEL and C1: escape sequences begin with one of them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they turn the direction of writing, and so the order of what is read
    "\u2028\u2029]"  # separators of lines and paragraphs
    "|\r(?!\n)"  # it writes over the line; before a line feed it is the other half of an end of line
)
"""What a layer's or a file's name may hold and a terminal would obey."""


def harmless(text: str) -> str:
    """A text with U+FFFD for each character that a terminal would obey; tabs and ends of lines stay."""
    return _OBEYED.sub("\ufffd", text)


def shown(value: object) -> str:
    """A value out of a file as an error quotes it: its repr, but bounded in length, depth and time."""
    return shortened(_repr.repr(value), 400)


class TextPlace(NamedTuple):
    """A byte offset in a text file. Line and column are worked out only when the place is printed."""

    name: str
    data: bytes
    offset: int

    def __str__(self) -> str:
        before = self.data[: self.offset]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        return f"{self.name}:{line}:{column}"


class BytePlace(NamedTuple):
    """A byte offset in a binary file, and what stands there (`layer[7].blobs[0]`)."""

    name: str
    offset: int
    inside: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.offset:#x}" + (f": {self.inside}" if self.inside else "")


class FilePlace(NamedTuple):
    """A whole file, or one that could not be opened."""

    name: str

    def __str__(self) -> str:
        return self.name


Place = Union[TextPlace, BytePlace, FilePlace]


_FLAG = re.compile(r"""`[^`]*`|"[^"]*"|--([a-z][a-z-]*)(?: (?=['"]|[A-Z]{3}|-?\d|[^\s:]+:\ ))?""")
"""A flag and what begins its value; what stands in quotes is a name out of a file, or a command to run."""


def as_arguments(text: str) -> str:
    """`--also FILE` as `also=FILE`: what is said speaks of flags, and a library has arguments."""
    return _FLAG.sub(_argument, text)


def _argument(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0]
    name = "as_path" if found[1] == "as" else found[1].replace("-", "_")
    return name + ("=" if found[0].endswith(" ") else "")


class SurgeryError(Exception):
    """Root of every error that split-surgery raises on purpose.

    `place` says where (printed first), `hint` what to do about it (printed last). `report`: what was found out before, if that can be
    told all the same. What is long is shortened: see shortened.
    """

    exit_code = 3

    def __init__(self, message: str, place: Place | None = None, hint: str = "", layer: str | None = None) -> None:
        """`layer`: the one that `message` is about, which is named before it."""
        # A name with a line feed in it is no reason for a second line.
        self.reason, self.layer = shortened(" ".join(message.splitlines())), layer
        whole = message if layer is None else f'layer "{layer}": {message}'
        self.message = shortened(" ".join(whole.splitlines()))
        super().__init__(self.message)
        self.place = place
        self.hint = shortened(hint)
        self.report: object = None
        self.to_library = False  # until a verb of the library lets it out

    def __str__(self) -> str:
        return as_arguments(self.with_flags()) if self.to_library else self.with_flags()

    def with_flags(self) -> str:
        """Place, message and hint, with flags as the command line has them."""
        where = " ".join(shortened(f"{self.place}: ").splitlines()) if self.place is not None else ""
        return where + self.message + (f"\n  {self.hint}" if self.hint else "")


class SurgeryWarning(UserWarning):
    """What a report has to say beside its result, to callers of the library."""


class UsageError(SurgeryError):
    """A name, number or option that does not fit the net or the command (exit 2)."""

    exit_code = 2


class OptionError(UsageError):
    """A value that an option cannot have (exit 2). option: its word, which is its flag without the dashes and its key in a config."""

    def __init__(self, option: str, reason: str, value: object = None, hint: str = "") -> None:
        """`reason` follows the option and its value: `--noise -1: a standard deviation is not negative`."""
        self.option = option
        flag = option if option == "names" else f"--{option}"  # that one stands in a config only
        super().__init__(f"{flag}{'' if value is None else f' {value}'}: {reason}", hint=hint)


class FileError(SurgeryError):
    """A file that cannot be read, written or used (exit 3)."""


class Missing(FileError):
    """An optional part of the tool that is not installed here."""

    @property
    def in_a_line(self) -> str:
        """What is missing and how to get it, for a remark: the work goes on without it."""
        return f"{self.message} ({self.hint})"


class OtherHistory(FileError):
    """A solver state whose history is not, or cannot be shown to be, that of the layers it was held against."""


class Unsupported(SurgeryError):
    """A file that is well formed, but asks for surgery this tool will not do (exit 3)."""


class NotFoldable(SurgeryError):
    """Layers that no one layer can stand for, so that they must be left as they are; nothing is wrong with the files."""


class Overflow(NotFoldable):
    """Layers whose numbers together are too large, or hold NaN: fewer of them may do."""


class Defect(SurgeryError):
    """The tool contradicted itself: nothing was written (exit 4)."""

    exit_code = 4


def for_shell(word: str) -> str:
    """A path, pattern or name as a word of a command that is printed for the user to type: quoted as this platform's shells want it."""
    if not ON_WINDOWS:
        from shlex import quote

        return quote(word)
    from subprocess import list2cmdline

    return list2cmdline([word])


def logged(path: str) -> str:
    """The end of a printed command that keeps in a file what the program says; `tee`, which shows it too, is no program of Windows."""
    return f"> {for_shell(path)} 2>&1" if ON_WINDOWS else f"2>&1 | tee {for_shell(path)}"


def nearest(name: str, names: list[str]) -> str:
    """A hint listing the closest of `names`; where none is close, the first of all."""
    close = closest(name, names, 3, _CLOSE)
    names = [own for own in names if len(own) <= _LONGEST]
    if (
        not close and len(name) <= _LONGEST
    ):  # half a name, or one with too much behind it, is less like it than many another
        close = [own for own in names if min(len(name), len(own)) > 2 and (name in own or own in name)][:3]
    if close:
        return "nearest: " + ", ".join(close)
    return f"known: {first_of(names, 12)}" if names and len(name) <= _LONGEST else ""


_CLOSE = 0.65
"""How like a name must be that is offered for another: below that half the letters are others, and it is no help."""

_LONGEST = 200
"""Characters of a name that is compared with others: difflib's time grows with the square of the length."""


def closest(name: str, names: Sequence[str], most: int, cutoff: float) -> list[str]:
    """The names that are most like one. cutoff: how like they must be, from 0 to 1."""
    import difflib

    if len(name) > _LONGEST:
        return []
    return difflib.get_close_matches(name, [own for own in names if len(own) <= _LONGEST], n=most, cutoff=cutoff)


def first_of(names: Sequence[str], most: int) -> str:
    """Names as an error lists them: of many the first, and that there are more."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
