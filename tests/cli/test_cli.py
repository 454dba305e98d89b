"""The installed command: exit codes, what goes where, what it loads, what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from click import HelpFormatter

from split_surgery.cli.group import VERBS, WIDEST, help_width
from split_surgery.kernels.tpm import MEASURES
from tests.support.nets import TINY, write_tiny
from tests.support.paths import GOLDEN, PROGRAM

HINT = (
    "split-surgery: no snapshots were found, so kernels are ranked by weight norm; "
    "for TPM: --snapshots 'GLOB', or --solver FILE\n"
)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help(command, verb):
    done = command(verb, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: split-surgery " + verb)


def test_help_names_every_measure(program):
    text = program("residual", "--help").stdout
    assert all(name in text for name in MEASURES)


def test_help_and_version_load_nothing_heavy():
    for argument in ("--help", "--version"):
        program = (
            "import sys; sys.argv = ['split-surgery', sys.argv[1]]\n"
            "from split_surgery.cli.main import main\n"
            "try: main()\n"
            "except SystemExit: pass\n"
            "print(sorted({m.split('.')[0] for m in sys.modules} & {'numpy', 'yaml', 'google', 'cv2', 'matplotlib', 'h5py'}))"
        )
        done = subprocess.run([sys.executable, "-c", program, argument], capture_output=True, text=True, check=True)
        assert done.stdout.rstrip().endswith("[]"), done.stdout


def test_what_a_person_sees(tmp_path, program):
    net, weights = write_tiny(tmp_path)
    done = program("residual", net.name, weights.name, "-o", "derived1/", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == HINT
    assert done.stdout == (GOLDEN / "residual.stdout").read_text()
    assert program("residual", net.name, weights.name, "-o", "derived1", "-q", cwd=tmp_path).stdout == (
        "derived1: unchanged: it already holds exactly this; "
        "residual split of conv1_1: 3 fast + 3 slow, fast/slow by weight norm, NOT TPM\n"
    )


def test_the_default_layer_is_named_on_stderr(tmp_path, command):
    net, weights = write_tiny(tmp_path, TINY.replace("conv1_1", "conv9_9"))
    weights.write_bytes(weights.read_bytes().replace(b"conv1_1", b"conv9_9"))
    done = command("residual", net, weights, "-o", tmp_path / "o")
    assert done.stderr == 'split-surgery: no layer "conv1_1"; taking the first convolution, "conv9_9"\n' + HINT


def test_json_is_all_of_stdout(tmp_path, command):
    net, weights = write_tiny(tmp_path)
    for arguments in (
        ["residual", net, weights, "-o", tmp_path / "o"],
        ["rank", net, weights],
        ["verify", net, weights, tmp_path / "o"],
    ):
        assert isinstance(json.loads(command(*arguments, "--json").stdout), dict)


REFUSED = [
    (["residual", "base.prototxt", "base.caffemodel"], 2, "Missing option '-o'"),
    (
        ["residual", "base.prototxt", "base.caffemodel", "-o", "o", "--order", "best"],
        2,
        "Invalid value for '--order'",
    ),
    (["residual", "base.prototxt", "base.caffemodel", "-o", "o", "--layer", "conv1_2"], 2, "nearest: conv1_1"),
    (
        ["residual", "base.prototxt", "base.caffemodel", "-o", "o", "--fast", "400"],
        2,
        "--fast 400 is more than the layer's 6 kernels",
    ),
    (
        ["residual", "base.prototxt", "base.caffemodel", "-o", "o", "--noise", "nan"],
        2,
        "--noise nan: must be a finite number",
    ),
    (
        ["residual", "base.prototxt", "base.caffemodel", "-o", "o", "--noise", "-1"],
        2,
        "a standard deviation is not negative",
    ),
    (["residual", "base.prototxt", "base.caffemodel", "-o", "o", "--seed", "-1"], 2, "--seed -1"),
    (
        ["residual", "base.prototxt", "base.caffemodel", "-o", "base.prototxt"],
        3,
        "base.prototxt: is a file, and the output is a directory",
    ),
    (
        ["residual", "nosuch.prototxt", "base.caffemodel", "-o", "o"],
        3,
        "nosuch.prototxt: No such file or directory",
    ),
    (["verify", "base.prototxt"], 2, "is one file: WEIGHTS is missing"),
    (
        ["verify", "base.prototxt", "base.caffemodel", "x", "--derived", "a", "b"],
        2,
        "give either the directory DERIVED or --derived",
    ),
    (
        ["verify", "base.prototxt", "base.caffemodel", "nosuch"],
        3,
        "nosuch: No such file or directory",
    ),
    (
        ["verify", "base.prototxt", "base.caffemodel", ".", "--trained"],
        3,
        "is not the directory of a split or a fold",
    ),
    (["verify", "base.prototxt", "base.caffemodel", ".", "--input-shape", "data:1,3,8,8"], 2, "name an --engine"),
    (["verify", "base.prototxt", "base.caffemodel", ".", "--max-drift", "-1"], 2, "--max-drift -1"),
    (["verify", "base.prototxt", "base.caffemodel", ".", "--input-shape", "data"], 2, "must be BLOB:N,C,H,W"),
    (
        ["verify", "base.prototxt", "base.caffemodel", ".", "--seed", "99999999999"],
        2,
        "must be a number from 0 to 2**32 - 1",
    ),
    (["residual", "n" * 300, "base.caffemodel", "-o", "o"], 3, "File name too long"),
    (["verify", "base.prototxt", "base.caffemodel", "n" * 300], 3, "No such file or directory"),
    (
        ["rank", "base.prototxt", "base.caffemodel", "--fast", "9" * 5000],
        2,
        "must be a whole number of kernels (16), a share (50%), or half",
    ),
]
"""What is asked for, the exit code and a part of the message."""


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED)
def test_exit_codes_and_messages(tmp_path, command, arguments, code, message):
    write_tiny(tmp_path)
    done = command(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.caffemodel", "base.prototxt"]


@pytest.mark.parametrize("arguments", [case[0] for case in REFUSED[::8]])
def test_the_installed_command_says_what_main_says(tmp_path, program, command, arguments):
    """So that other tests may run `main` in their own process, which takes no second to start."""
    write_tiny(tmp_path)
    installed, here = (run(*arguments, cwd=tmp_path) for run in (program, command))
    assert (installed.returncode, installed.stdout, installed.stderr) == (here.returncode, here.stdout, here.stderr)


def test_a_defect_is_exit_4_and_says_so(tmp_path):
    net, weights = write_tiny(tmp_path)
    program = (
        "import sys, split_surgery.workspace.outputs as s\n"
        "good = s.weight_splices\n"
        "from split_surgery.documents.weights.blobs import Held\n"
        "def more(part): return tuple(Held(b.load() + 1, 0, '') for b in part)\n"
        "def bad(edits, blobs, *rest): return good(edits, [more(part) for part in blobs], *rest)\n"
        "s.weight_splices = bad\n"
        f"sys.argv = ['split-surgery', 'residual', {str(net)!r}, {str(weights)!r}, '-o', {str(tmp_path / 'out')!r}]\n"
        "from split_surgery.cli.main import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "holds other numbers than were meant" in done.stderr
    assert not (tmp_path / "out").exists()


def test_check_exits_1(tmp_path, command):
    net, weights = write_tiny(tmp_path)
    assert command("residual", net, weights, "-o", tmp_path / "o", "--check").returncode == 1
    assert command("residual", net, weights, "-o", tmp_path / "o").returncode == 0
    assert command("residual", net, weights, "-o", tmp_path / "o", "--check").returncode == 0


@pytest.mark.parametrize("columns", ["", "0", "60", "100", "400", "wide", "-5"])
def test_help_is_as_wide_as_click_has_it(columns, monkeypatch):
    """By the rule of click.HelpFormatter, which asks shutil."""
    monkeypatch.setenv("COLUMNS", columns)
    assert help_width() == HelpFormatter(max_width=WIDEST).width


def test_quiet_and_verbose_exclude_each_other(tmp_path, command):
    write_tiny(tmp_path)
    done = command("show", "-qv", tmp_path / "base.prototxt")
    assert done.returncode == 2
    assert "give --quiet or --verbose, not both" in done.stderr


def test_check_and_quiet_are_short(tmp_path, command):
    net, weights = write_tiny(tmp_path)
    arguments = ("residual", net, weights, "-o", tmp_path / "o", "--measure", "norm")
    assert len(command(*arguments, "-q").stdout.splitlines()) == 1
    assert (
        command(*arguments, "--check").stdout == f"{tmp_path}/o: up to date: it holds exactly what would be generated\n"
    )
    (tmp_path / "o" / "net.prototxt").write_text("")
    assert (
        command(*arguments, "--check").stdout == f"{tmp_path}/o: DIFFERS from what would be generated: net.prototxt\n"
    )
    shown = command(*arguments, "--check", "--dry-run")
    assert (shown.returncode, "+++ net.prototxt as it would be generated" in shown.stdout) == (1, True)
    assert len(command("fold", net, weights, "-o", tmp_path / "f", "-q").stdout.splitlines()) == 1


def test_plain_ascii_terminals(tmp_path, program):
    net, weights = write_tiny(tmp_path)
    done = program("residual", net, weights, "-o", tmp_path / "o", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "data -+-- split1 [3]" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [
        (
            "> /dev/full",
            3,
            "split-surgery: the work is done, but its report cannot be printed: No space left on device\n",
        ),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
    ],
)
def test_streams_that_fail(tmp_path, redirection, code, message):
    write_tiny(tmp_path)
    script = f"{PROGRAM} extension base.prototxt base.caffemodel -o out --measure norm {redirection}"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr == message
    assert (tmp_path / "out" / "net.prototxt").exists()


def test_a_closed_pipe_is_141():
    program = (
        "import os, sys\nfrom split_surgery.cli.group import finish\n"
        "class Report:\n    exit_code = 0\n    def to_dict(self): return {'a': float('nan')}\n"
        "read, write = os.pipe(); os.close(read); os.dup2(write, 1)\n"
        "finish(Report(), {'as_json': True}, None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


def test_json_has_no_nan():
    from split_surgery.cli.group import json_ready

    assert (
        json.dumps(json_ready({"a": [float("nan"), (1.0, float("inf"))]}), allow_nan=False)
        == '{"a": [null, [1.0, null]]}'
    )


def test_diff_on_an_ascii_terminal(tmp_path, program):
    net, weights = write_tiny(tmp_path, TINY.replace('  name: "conv1_1"', '  name: "conv1_1" # größer'))
    done = program("residual", net, weights, "-o", tmp_path / "o", "--diff", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "gr\\xf6\\xdfer" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupted_run_leaves_nothing(tmp_path, name):
    net, weights = write_tiny(tmp_path)
    # The write is held up, at a known place.
    program = (
        "import signal, sys, time, split_surgery.workspace.output_dir as files\n"
        # In a shell's background SIGINT is ignored, under nohup SIGHUP, and that is inherited.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "def slow(self, path, progress=None):\n"
        "    open(path, 'xb').close(); print('writing', flush=True); time.sleep(60)\n"
        "files.Output.write = slow\n"
        f"sys.argv = ['split-surgery', 'residual', {str(net)!r}, {str(weights)!r}, '-o', {str(tmp_path / 'new' / 'out')!r}]\n"
        "from split_surgery.cli.main import main\n"
        "main()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(getattr(signal, name))
        assert process.wait(timeout=20) == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.caffemodel", "base.prototxt"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_progress_bar_appears_on_a_terminal_only(tmp_path):
    import pty

    program = (
        "import time\nfrom split_surgery.cli.progress import Bar\n"
        "bar = Bar(True)\nbar('measuring', 1, 4)\ntime.sleep(1.1)\nbar('measuring', 2, 4)\nbar.close()"
    )
    controller, terminal = pty.openpty()
    subprocess.run([sys.executable, "-c", program], stderr=terminal, check=True)
    os.close(terminal)
    time.sleep(0.1)
    shown = os.read(controller, 4096).decode()
    assert re.search(r"measuring \[#{15}\.{15}\] 50%", shown)
    assert "25%" not in shown
    quiet = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, check=True)
    assert quiet.stderr == b""


def test_names_of_any_bytes(tmp_path, command):
    net, weights = write_tiny(tmp_path, TINY.replace("conv1_1", "conv é/1"))
    weights.write_bytes(weights.read_bytes().replace(b"conv1_1", "conv é/1".encode()[:7]))
    done = command("residual", net, weights, "-o", tmp_path / "o", "--layer", "conv é/1")
    assert (done.returncode, done.stdout) == (3, "")
    assert 'has no layer "conv é/1"' in done.stderr


def test_the_library_has_every_verb_and_loads_them_lazily():
    program = "import sys, split_surgery as s; print('numpy' in sys.modules, s.residual, s.verify, s.demo)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False <function residual")
    assert done.stdout.count("<function") == 3
    import split_surgery

    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        _ = split_surgery.nosuch
