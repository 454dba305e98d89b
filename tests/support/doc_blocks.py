"""The blocks of the documentation's pages: read, run in their order, and held to what is shown.

A page is run from the top of a copy of the project's examples and configs. ```bash blocks are run, ```console blocks are run and
their output is compared, ```python blocks are run, ```yaml, ```json and ```prototxt blocks are parsed, and ```text blocks, and those
without a language, are pictures. `python -m tests.support.doc_blocks` runs all pages and writes what their commands print into the
console blocks, to be reviewed as a diff.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from split_surgery.documents.prototxt import Document
from tests.support.fork_server import fork_server
from tests.support.paths import ROOT, caffe_tools

RUN, PARSED, SHOWN = ("bash", "console", "python"), ("yaml", "json", "prototxt"), ("text", "")
"""What becomes of a block by its language."""

CAFFE = re.compile(
    r"^(\$ )?(.*[|;&] *)?(caffe|caffe-python|upgrade_net_proto_\w+|\S*(chain|train|grow|prepare_data)\.sh)\b|--engine caffe",
    re.MULTILINE,
)
"""What only real Caffe can do."""

COPIED = ("examples", "configs", "split_surgery/splitting/recipes")
"""What of the project is there when a page's first command runs."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        line: the number of its first line inside the fence. title: the last heading before it.
    """

    language: str
    text: str
    line: int
    title: str

    @property
    def needs_caffe(self) -> bool:
        """Whether a command in it starts real Caffe."""
        return self.language in RUN and CAFFE.search(self.text) is not None


def pages() -> list[Path]:
    """Every page whose blocks are held: the README, what is in docs/, and CONTRIBUTING.md."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks_of(text: str) -> list[Block]:
    """The fenced blocks of a page."""
    found, title = [], ""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        opened = re.match(r"( *)```(?!`)(\w*)(.*)$", lines[at])
        if opened is None:
            heading = re.match(r"#+ (.*)", lines[at])
            title = heading[1] if heading else title
            at += 1
            continue
        indent, language, rest = opened.groups()
        end = next(n for n in range(at + 1, len(lines)) if lines[n].strip() == "```")
        assert not rest.strip(), f"line {at + 1}: words after the language of a block: {rest}"
        body = [line.removeprefix(indent) for line in lines[at + 1 : end]]
        found.append(Block(language, "\n".join(body) + "\n" if body else "", at + 2, title))
        at = end + 1
    return found


def parse(block: Block) -> None:
    """Raises: whatever the reader of its language raises."""
    if block.language == "yaml":
        list(yaml.safe_load_all(block.text))
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "prototxt":
        Document(block.text.encode(), "the page")


def commands_of(block: Block) -> list[tuple[str, str]]:
    """Of a console block each command with the output that is shown below it."""
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found and line.startswith("> ") and not found[-1][1] and found[-1][0].endswith("\\"):
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", "")
        else:
            assert found, f"line {block.line}: output without a command"
            found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


class PageFailed(AssertionError):
    """A command of a page ended with an exit code other than 0, where none is meant to be shown."""


OUR_ERROR = re.compile(r"^split-surgery: ", re.MULTILINE)
"""How an error of ours begins; a remark does too, but the exit code is then 0."""


def run_page(
    blocks: list[Block], folder: Path, programs: Path, variables: Mapping[str, str] = {}, failing: Collection[str] = ()
) -> dict[int, list[str]]:
    """Run the blocks of a page in their order, in one shell, from a copy of the examples.

    Args:
        failing: titles of the sections whose console blocks show errors of ours on purpose.

    Returns:
        What the commands of each console block print, by the block's line.

    Raises:
        PageFailed: with the page's line and what was printed.
    """
    place, outputs = folder / "split-surgery", folder / "outputs"
    outputs.mkdir()
    for name in COPIED:
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("data", "__pycache__"))
    script = ["set -eo pipefail", f"cd {place}"]
    for block in blocks:
        if block.language == "python":
            path = outputs / f"{block.line}.py"
            path.write_text(block.text)
            script.append(f"run-python {path} > {outputs}/{block.line} 2>&1")
        elif block.language == "bash":
            script.append(f"{{\n{block.text}}} > {outputs}/{block.line} 2>&1")
        else:
            for number, (command, _) in enumerate(commands_of(block)):
                # Of a console block the output is the point: a command that is shown to fail may, as `cmp` and --check do.
                place_of = f"{outputs}/{block.line}.{number}"
                # 141: whoever read has seen enough, as in `| head`.
                script.append(f"{{\n{command}\n}} > {place_of} 2>&1 || [ $? = 141 ] || touch {place_of}.failed")
    tools = caffe_tools()
    path = [
        str(programs),
        str(Path(sys.executable).parent),
        *([str(tools[0].parent)] if tools else []),
        os.environ["PATH"],
    ]
    settings = {
        "PATH": os.pathsep.join(path),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_PAGER": "cat",
    }
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], env=os.environ | settings | variables, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if done.returncode:
        shown = [path for path in outputs.iterdir() if path.suffix != ".failed"]
        last = max(shown, key=lambda one: (one.suffix != ".py", one.stat().st_mtime_ns, float(one.stem)))
        raise PageFailed(f"exit {done.returncode}, line {last.name}:\n{last.read_text()}{done.stderr}")
    printed: dict[int, list[str]] = {}
    for block in blocks:
        for number, (command, _) in enumerate(commands_of(block) if block.language == "console" else []):
            path = outputs / f"{block.line}.{number}"
            printed.setdefault(block.line, []).append(path.read_text())
            failed = path.with_name(f"{path.name}.failed").exists() and OUR_ERROR.search(path.read_text())
            if failed and block.title not in failing:
                raise PageFailed(f"line {block.line}: {command}\n{path.read_text()}")
    return printed


def matches(shown: str, printed: str) -> bool:
    """Whether a command printed what the page shows; a line `...` stands for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line.rstrip()) + r"[ \t]*\n"
        for line in shown.splitlines()
    )
    return re.fullmatch(pattern, printed if not printed or printed.endswith("\n") else printed + "\n") is not None


def with_outputs(text: str, printed: Mapping[int, list[str]]) -> str:
    """A page with its console blocks showing what their commands print; blocks with lines `...` stay if they are right."""
    lines = text.split("\n")
    for block in reversed(blocks_of(text)):
        if block.language != "console" or block.line not in printed:
            continue
        new = []
        for (command, shown), output in zip(commands_of(block), printed[block.line]):
            first, *more = command.split("\n")
            new += [f"$ {first}", *(f"> {line}" for line in more)]
            kept = shown if matches(shown, output) else output
            new += [line.rstrip() for line in kept.splitlines()]
        count = len(block.text.splitlines())
        indent = re.match(" *", lines[block.line - 2])
        assert indent is not None
        lines[block.line - 1 : block.line - 1 + count] = [indent[0] + line if line else "" for line in new]
    return "\n".join(lines)


def runnable(blocks: list[Block], caffe: bool, left_out: Mapping[str, str]) -> Iterator[Block]:
    """The blocks of a page that are run.

    Args:
        caffe: whether those that need real Caffe are. left_out: first lines of blocks that cannot run here.
    """
    for block in blocks:
        if block.language in RUN and block.text.splitlines()[0] not in left_out and (caffe or not block.needs_caffe):
            yield block


def main(left_out: Mapping[str, str], failing: Mapping[str, Collection[str]], only: list[str]) -> None:
    """Write what commands print into the pages."""
    with tempfile.TemporaryDirectory() as scratch, fork_server(Path(scratch)) as programs:
        for page in pages():
            if not page.exists() or (only and page.name not in only):
                continue
            text = page.read_text()
            blocks = list(runnable(blocks_of(text), False, left_out))
            if not blocks:
                continue
            folder = Path(scratch, page.stem)
            folder.mkdir()
            try:
                new = with_outputs(text, run_page(blocks, folder, programs, failing=failing.get(page.name, ())))
            except PageFailed as error:
                print(f"{page.name}: {error}")
                continue
            if new != text:
                page.write_text(new)
                print(f"{page.name}: written")


if __name__ == "__main__":
    from tests.support.doc_exceptions import NOT_RUN, SHOWN_TO_FAIL

    main(NOT_RUN, SHOWN_TO_FAIL, sys.argv[1:])
