"""What people type who do not know the command yet, and what they mean: advice under click's messages."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence

import click

WORDS = {
    "split": "to split: residual, extension or skip",
    **dict.fromkeys(
        ("undo", "unsplit", "merge", "revert", "restore", "unfold", "join", "collapse"), "fold puts splits back"
    ),
    **dict.fromkeys(
        ("check", "test", "prove", "validate", "compare"), "verify proves a derived net; diff compares two files"
    ),
    **dict.fromkeys(("list", "info", "print", "cat", "ls", "summary"), "show lists what a file says and holds"),
    **dict.fromkeys(("draw", "graph", "curves"), "plot draws: plot loss, plot tpm, plot kernels, plot net"),
    **dict.fromkeys(
        ("upgrade", "export", "cast", "quantize", "upgrade_net_proto_text", "upgrade_net_proto_binary"),
        "convert --to new upgrades V1 nets; --to half, double, h5 ... other forms of weights",
    ),
    **dict.fromkeys(
        ("convolutionalize", "convolutionize", "fcn", "net_surgery", "surgery"),
        "reshape --to-convolution makes convolutions of InnerProducts",
    ),
    "ungroup": "reshape --ungroup makes a layer of each group of a convolution",
    "train": "Caffe trains: a split prints the command; examples/chain.sh does both",
    "version": "split-surgery --version",
    "split-surgery": "leave out the second split-surgery",
}
"""Verbs that there are not."""

FLAGS = {
    "--weights": "WEIGHTS is the second argument, and has no flag",
    "--model": "NET is the first argument, and WEIGHTS the second; they have no flags",
    "--net": "NET is the first argument, and has no flag",
    **dict.fromkeys(("--yes", "-y", "--overwrite"), "nothing is asked; --force replaces files"),
    **dict.fromkeys(("--gpu", "--cpu"), "nothing here is trained; Caffe's solver says where it runs"),
    **dict.fromkeys(("--out", "--out-dir", "--outdir", "--dir"), "-o DIR, or --output DIR"),
    **dict.fromkeys(("--fp16", "--half", "--float16"), "convert --to half makes weights of half precision"),
    "--no-color": "--color never, or NO_COLOR=1",
}
"""Flags that there are not."""


def verb_advice(name: str, verbs: Sequence[str], of: str = "") -> str:
    """What to do about a verb that there is not; `of` is the verb whose kinds these are."""
    if name in WORDS and not of:
        return WORDS[name]
    if name.startswith("-"):
        return f"flags of a verb stand behind it: split-surgery {of or 'VERB'} ... {name}"
    known = verbs if of else [*verbs, *WORDS]
    close = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.6) if len(name) < 100 else []
    if close and close[0] in WORDS:
        return WORDS[close[0]]
    if close:
        close = [one for one in close if one in verbs]
        return f"did you mean {' or '.join(close)}?"
    listed = ", ".join(verbs)
    if os.path.exists(name):
        return f"that is a file; before it stands what to do with it: {listed}"
    return f"{of} has {listed}" if of else "split-surgery --help lists the verbs"


def flag_advice(name: str, context: click.Context) -> str:
    """What to do about a flag that a verb has not."""
    if name in FLAGS:
        return FLAGS[name]
    own = [option for parameter in context.command.get_params(context) for option in parameter.opts]
    close = difflib.get_close_matches(name, own, n=2, cutoff=0.75)
    if close:
        return f"did you mean {' or '.join(close)}?"
    others = list(_with_flag(name, context.find_root()))
    if others:
        return f"{name} belongs to {', '.join(others)}"
    return f"{context.command_path} --help lists its flags"


def _with_flag(name: str, root: click.Context) -> Iterator[str]:
    """The verbs that have a flag."""
    assert isinstance(root.command, click.Group)
    for verb in root.command.list_commands(root):
        command = root.command.get_command(root, verb)
        if command is not None and any(name in parameter.opts for parameter in command.params):
            yield verb


def argument_advice(args: Sequence[str], verb: str | None) -> str:
    """What to do about an argument too many."""
    if verb == "verify":
        return "a derived net given as two files: --derived NET WEIGHTS"
    at = next((at for at, word in enumerate(args) if word == "--layer"), None)
    if at is not None and len(args) > at + 2 and not args[at + 2].startswith("-"):
        return f"one name each: --layer {args[at + 1]} --layer {args[at + 2]}"
    return ""


def value_advice(name: str | None, context: click.Context) -> str:
    """What may follow a flag that lacks its value."""
    for parameter in context.command.get_params(context):
        if name in parameter.opts and isinstance(parameter.type, click.Choice):
            return "one of " + ", ".join(map(str, parameter.type.choices))
    return ""
