"""What verbs say to callers of the library, who have arguments where a command line has flags, and no terminal."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

from split_surgery.errors import SurgeryError, SurgeryWarning, as_arguments

Verb = TypeVar("Verb", bound=Callable[..., Any])


def in_library_words(verb: Verb) -> Verb:
    """A verb that also issues the warnings of its report as SurgeryWarning, and whose errors print the names of arguments."""

    @functools.wraps(verb)
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            report = verb(*arguments, **options)
        except SurgeryError as error:
            error.to_library = True
            raise
        for text in getattr(report, "warnings", ()):
            warnings.warn(as_arguments(text), SurgeryWarning, stacklevel=2)
        return report

    return cast("Verb", call)
