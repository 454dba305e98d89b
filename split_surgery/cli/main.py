"""The command `split-surgery`: its verbs, and what becomes of errors."""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from typing import NoReturn

import click

from split_surgery import __version__
from split_surgery.cli.colour import set_colour
from split_surgery.cli.group import cli
from split_surgery.cli.terminal import complain, tell
from split_surgery.errors import SurgeryError, SurgeryWarning


def main() -> NoReturn:
    """The command `split-surgery`."""

    _end_on_signals()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names may hold any bytes
    set_colour("auto")
    warnings.simplefilter("ignore", SurgeryWarning)  # the printers say them
    try:
        cli.main(standalone_mode=False)
    except SurgeryError as error:
        complain(error.with_flags(), "bad")
        if error.exit_code == 4:
            complain("this is a defect of split-surgery; nothing was written")
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        words = io.StringIO()
        error.show(file=words)  # it quotes arguments, which a shell may have made of the names of files
        tell(words.getvalue().rstrip())
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except MemoryError:
        complain("not enough memory for this")
        sys.exit(3)
    except Exception:
        import traceback

        tell(traceback.format_exc(limit=-20))
        complain(f"this is a defect of split-surgery; please report it with the lines above (version {__version__})")
        sys.exit(4)
    sys.exit(0)


def _end_on_signals() -> None:
    """Let a signal that ends a run raise KeyboardInterrupt, so that it tidies up; a second one ends it at once.

    What that one leaves behind, the next run into the same place removes.
    """

    def end_at_once(_number: int, _frame: object) -> NoReturn:
        os._exit(130)

    def interrupt(_number: int, _frame: object) -> NoReturn:
        for name in known:
            signal.signal(name, end_at_once)
        raise KeyboardInterrupt

    # SIGHUP: a lost connection is no reason to leave half a directory behind. What is ignored (nohup, a shell's background) stays so.
    names = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    known = [name for name in names if signal.getsignal(name) != signal.SIG_IGN]
    for name in known:
        signal.signal(name, interrupt)
