"""What a report has to say beside its result, as Python warnings: a caller of the library has no terminal that shows it."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from split_surgery.errors import SurgeryWarning


class _Report(Protocol):
    @property
    def warnings(self) -> tuple[str, ...]: ...


Verb = TypeVar("Verb", bound=Callable[..., _Report])

_FLAG = re.compile(r"--([a-z][a-z-]*)(?: (?=['\"]|[A-Z]{3}))?")


def warned(verb: Verb) -> Verb:
    """A verb that also issues the warnings of its report as SurgeryWarning."""

    @functools.wraps(verb)
    def call(*arguments: Any, **options: Any) -> _Report:
        report = verb(*arguments, **options)
        for text in report.warnings:
            warnings.warn(as_arguments(text), SurgeryWarning, stacklevel=2)
        return report

    return cast("Verb", call)


def as_arguments(text: str) -> str:
    """`--also FILE` as `also=FILE`: a warning speaks of flags, and a library has arguments."""
    return _FLAG.sub(lambda match: match[1].replace("-", "_") + ("=" if match[0].endswith(" ") else ""), text)
