"""What people type who do not know the command yet, and what they mean: advice under click's messages."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Sequence

import click

from split_surgery.errors import for_shell

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
    **dict.fromkeys(("relabel", "prefix", "alias", "mv"), "rename gives layers and blobs other names"),
    **dict.fromkeys(
        ("dump", "unpack", "decode", "get", "npy", "prototxt"),
        "extract takes the net out of a caffemodel, or a blob as npy",
    ),
    "edit": "split_surgery.open edits a prototxt from Python (docs/editing.md); rename gives other names",
    **dict.fromkeys(
        ("convolutionalize", "convolutionize", "fcn", "net_surgery", "surgery"),
        "reshape --to-convolution makes convolutions of InnerProducts",
    ),
    "ungroup": "reshape --ungroup makes a layer of each group of a convolution",
    **dict.fromkeys(
        ("gray", "grey", "grayscale", "rgb", "bgr", "bgr2rgb", "rgb2bgr"),
        "reshape --channels gray|color|swapped makes a net take other images",
    ),
    "train": "Caffe trains: a split prints the command; examples/chain.sh does both",
    "auto": "--layer auto:K takes the K layers of highest TPM entropy: split-surgery residual NET WEIGHTS --layer auto:1 -o DIR",
    "version": "split-surgery --version",
    "split-surgery": "leave out the second split-surgery",
}
"""Verbs that there are not."""

FLAGS = {
    **dict.fromkeys(("--weights", "-w"), "WEIGHTS is the second argument, and has no flag"),
    **dict.fromkeys(("--model", "-m"), "NET is the first argument, and WEIGHTS the second; they have no flags"),
    "--net": "NET is the first argument, and has no flag",
    **dict.fromkeys(("--yes", "-y", "--overwrite"), "nothing is asked; --force replaces files"),
    **dict.fromkeys(("--gpu", "--cpu"), "nothing here is trained; Caffe's solver says where it runs"),
    **dict.fromkeys(("--out", "--out-dir", "--outdir", "--dir"), "-o DIR, or --output DIR"),
    **dict.fromkeys(("--fp16", "--half", "--float16"), "convert --to half makes weights of half precision"),
    **dict.fromkeys(("--silent", "--quite"), "-q, or --quiet"),
    **dict.fromkeys(("--ratio", "--fraction", "--percent", "--share"), "--fast 50% says how many kernels are fast"),
    **dict.fromkeys(
        ("--iteration", "--iter", "--step"), "WEIGHTS is the net of one iteration; --window A:B chooses snapshots"
    ),
    **dict.fromkeys(
        ("--lr", "--base-lr", "--base_lr", "--learning-rate"), "the rate is the solver's: edit it in --solver FILE"
    ),
    "--no-color": "--color never, or NO_COLOR=1",
}
"""Flags that there are not."""


def verb_advice(name: str, verbs: Sequence[str], of: str = "") -> str:
    """What to do about a verb that there is not; `of` is the verb whose kinds these are."""
    if name in WORDS and not of:
        return WORDS[name]
    if name.startswith("-"):
        own = difflib.get_close_matches(name, ["--version", "--help", "--color"], n=1, cutoff=0.75)
        if own:
            return f"did you mean {own[0]}?"
        return f"flags of a verb stand behind it: split-surgery {of or 'VERB'} ... {name}"
    listed = ", ".join(verbs)
    if os.path.exists(name):
        return f"that is a file; before it stands what to do with it: {listed}"
    known = verbs if of else [*verbs, *WORDS]
    close = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.6) if len(name) < 100 else []
    if close and close[0] in WORDS:
        return WORDS[close[0]]
    if close:
        close = [one for one in close if one in verbs]
        return f"did you mean {' or '.join(close)}?"
    return f"{of} has {listed}" if of else "split-surgery --help lists the verbs"


def flag_advice(name: str, context: click.Context) -> str:
    """What to do about a flag that a verb has not."""
    if name in FLAGS:
        return FLAGS[name]
    own = [option for parameter in context.command.get_params(context) for option in parameter.opts]
    if name.lstrip("-") in own:  # an argument's name has no dashes
        places = " ".join(piece for piece in context.command.collect_usage_pieces(context) if piece != "[OPTIONS]")
        return f"{name.lstrip('-').upper()} is an argument, and has no flag: {context.command_path} {places}"
    if context.command.name == "extract" and name == "--layer":
        return "--blob LAYER/0 takes out a layer's weight, --blob LAYER/1 its bias"
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
        return "of a derived net that is two files: verify NET WEIGHTS --derived NET WEIGHTS, the baseline first"
    if verb == "show":
        return "show takes one file; verify NET WEIGHTS says whether two fit, and diff A B what differs"
    if verb == "extract":
        return "extract takes WEIGHTS alone: a caffemodel holds the net that it was saved from"
    if args and os.path.isdir(args[0]):
        return f"give NET and WEIGHTS, or the directory {args[0]} alone"
    at = next((at for at, word in enumerate(args) if word == "--layer"), None)
    if at is not None and len(args) > at + 2 and not args[at + 2].startswith("-"):
        return f"one name each: --layer {args[at + 1]} --layer {args[at + 2]}"
    return ""


def missing_advice(missing: click.Parameter | None, verb: str | None, help: str, meant: str = "") -> str:
    """What to do about an argument or flag that is missing.

    Args:
        help: the verb's, which has an example. meant: the argument that was perhaps meant as the output.
    """
    if verb == "diff":
        return "two files of one kind, or a net and the directory of its split: split-surgery diff NET DIR"
    if missing is not None and missing.name == "output":
        return f"-o {missing.metavar} says where to write" + (f": -o {for_shell(meant)}?" if meant else "")
    example = re.search(rf"^ *(split-surgery (?:plot )?{verb} .*\S)", help, re.MULTILINE)
    return example[1] if example else ""


def number_advice(error: click.BadParameter, given: Sequence[str]) -> str:
    """What to do about a percentage where a number is meant."""
    percent = next((word for word in given if re.fullmatch(r"[\d.]+%", word)), "")
    if percent and percent in error.format_message():
        return f"{percent} is {float(percent[:-1]) / 100:g}"
    return ""


def value_advice(name: str | None, context: click.Context) -> str:
    """What may follow a flag that lacks its value."""
    if name == "--derived":
        return "--derived NET WEIGHTS is for two files; a directory is an argument: verify NET WEIGHTS DIR"
    for parameter in context.command.get_params(context):
        if name in parameter.opts and isinstance(parameter.type, click.Choice):
            return "one of " + ", ".join(map(str, parameter.type.choices))
    return ""
