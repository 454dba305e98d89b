"""docs/ci.md and examples/ci: every command in them runs, and catches what it is there to catch."""

from __future__ import annotations

import os
import re
import shlex
import subprocess

import pytest
import yaml

from split_surgery import residual
from tests.support.nets import write_tiny
from tests.support.paths import ROOT

CI = ROOT / "examples" / "ci"


@pytest.fixture
def repository(tmp_path, monkeypatch, programs):
    """A git repository with nets/base.* and nets/derived1."""
    nets = tmp_path / "nets"
    nets.mkdir()
    net, weights = write_tiny(nets)
    residual(net, weights, nets / "derived1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    for name, value in (("GIT_CONFIG_GLOBAL", os.devnull), ("GIT_CONFIG_SYSTEM", os.devnull), ("GIT_PAGER", "cat")):
        monkeypatch.setenv(name, value)
    sh("git init -q . && git config user.name a && git config user.email a@b")
    return tmp_path


def sh(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)


def workflow_commands() -> list[str]:
    jobs = yaml.safe_load((CI / "nets.yml").read_text())["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if step.get("run", "").startswith("split-surgery")]


def test_the_workflow_passes_and_catches_an_edit_by_hand(repository):
    commands = workflow_commands()
    assert len(commands) == 3
    for command in commands:
        assert f"\n{command}\n" in (ROOT / "docs" / "ci.md").read_text()
        done = sh(command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "no weights were given" in sh(commands[0]).stderr
    derived = repository / "nets" / "derived1"
    text = (derived / "net.prototxt").read_text()
    (derived / "net.prototxt").write_text(text.replace('"tiny"', '"other"'))
    assert [sh(command).returncode for command in commands] == [1, 1, 1]
    (derived / "net.prototxt").write_text(text)
    model = bytearray((derived / "net.caffemodel").read_bytes())
    model[len(model) // 2] ^= 1
    (derived / "net.caffemodel").write_bytes(bytes(model))
    assert [sh(command).returncode for command in commands] == [0, 1, 1]
    (repository / "nets" / "base.prototxt").write_text("# new\n" + (repository / "nets" / "base.prototxt").read_text())
    assert sh(commands[0]).returncode == 3


def test_the_pre_commit_hook_is_the_same_command(repository):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    (config,) = yaml.safe_load((CI / "pre-commit-config.yaml").read_text())["repos"]
    (use,) = config["hooks"]
    assert use["id"] == hook["id"]
    assert not hook["pass_filenames"]
    for name in ("nets/base.prototxt", "nets/derived1/split.yaml", "nets/derived1/net.caffemodel"):
        assert re.search(hook["files"], name)
    command = shlex.join([*shlex.split(hook["entry"]), *use["args"]])
    assert sh(command).returncode == 0
    (repository / "nets" / "derived1" / "net.prototxt").write_text("")
    assert sh(command).returncode == 1


def configured(repository):
    (repository / ".gitattributes").write_text((CI / "gitattributes").read_text())
    lines = re.findall(r"^(git config .*)$", (ROOT / "docs" / "ci.md").read_text(), re.MULTILINE)
    assert len(lines) == 3
    return lines


def test_git_shows_what_changed_in_nets_and_weights(repository):
    *once, fallback = configured(repository)
    for line in once:
        assert sh(line).returncode == 0
    assert sh("git add -A && git commit -qm one").returncode == 0
    net = repository / "nets" / "base.prototxt"
    text = net.read_text()
    net.write_text("# a comment\n" + text.replace('"tiny"', "'tiny'").replace("\n  ", "\n\t"))
    shown = sh("git diff -- nets/base.prototxt")
    assert (shown.returncode, shown.stdout.count("\n+ ")) == (0, 0)
    net.write_text(text.replace("num_output: 4", "num_output: 5"))
    found = sh("git diff -- nets/base.prototxt").stdout
    assert "-  inner_product_param.num_output: 4\n+  inner_product_param.num_output: 5\n" in found
    assert "-  inner_product_param { num_output: 4 }" in sh("git diff --no-textconv -- nets/base.prototxt").stdout
    model = repository / "nets" / "base.caffemodel"
    data = bytearray(model.read_bytes())
    data[1000] ^= 1
    model.write_bytes(bytes(data))
    found = sh("git diff -- nets/base.caffemodel").stdout
    assert re.search(r"\n-  blob \d: \S+ float32 [0-9a-f]{16} min .*\n\+  blob \d: ", found)
    net.write_text("layer {")
    assert sh("git diff -- nets/base.prototxt").returncode != 0
    sh(fallback)
    assert "+layer {" in sh("git diff -- nets/base.prototxt").stdout
