"""The command `split-surgery`: its verbs, and what becomes of errors."""

from __future__ import annotations

import io
import signal
import sys
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

import click

import split_surgery
from split_surgery.cli import look_verbs, proof_verbs, split_verbs  # noqa: F401 (their verbs join the command)
from split_surgery.cli.group import cli, finish, with_progress
from split_surgery.cli.options import talk
from split_surgery.cli.progress import Bar
from split_surgery.cli.terminal import complain, tell
from split_surgery.errors import SurgeryError, SurgeryWarning

if TYPE_CHECKING:
    from split_surgery.verbs.demo import DemoReport


@cli.command(short_help="Everything, on a small real net that comes with it.")
@click.argument("directory", metavar="[DIR]", default="split-surgery-demo")
@talk
def demo(directory: str, **flags: Any) -> None:
    """Both splits of a small real net that comes with the package, proven, folded again, and run through OpenCV."""
    from split_surgery.cli import print_runs

    def work(progress: Bar) -> DemoReport:
        return split_surgery.demo(directory, progress=progress)

    finish(with_progress(work, flags), flags, print_runs.demo)


def main() -> NoReturn:
    """The command `split-surgery`."""

    def terminate(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt  # so that a killed run tidies up like one that was interrupted

    for name in ("SIGTERM", "SIGHUP"):  # a lost connection is no reason to leave half a directory behind
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names may hold any bytes
    warnings.simplefilter("ignore", SurgeryWarning)  # the printers say them
    try:
        cli.main(standalone_mode=False)
    except SurgeryError as error:
        complain(str(error))
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
        complain("this is a defect of split-surgery")
        sys.exit(4)
    sys.exit(0)
