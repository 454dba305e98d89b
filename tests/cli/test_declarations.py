"""One declaration of an option: flags, keys, arguments, help, completion and man page say the same."""

from __future__ import annotations

import inspect
import os
import subprocess
from dataclasses import fields

import click
import pytest

import split_surgery
from split_surgery import apply, fold
from split_surgery.cli.group import VERBS as VERBS_LISTED
from split_surgery.cli.group import cli
from split_surgery.cli.man_page import man_page
from split_surgery.errors import UsageError
from split_surgery.kernels.tpm import MEASURES
from split_surgery.splitting.options import Settings, declaration_of, word_of
from split_surgery.splitting.ranking.evidence import BEST_REAL
from split_surgery.splitting.recipes import RECIPES
from tests.support.nets import write_tiny
from tests.support.paths import EXAMPLE, PROGRAM

VERBS = [
    (name, verb)
    for name in VERBS_LISTED
    for each in [cli.get_command(click.Context(cli), name)]
    for name, verb in (
        [(f"{name} {n}", v) for n, v in each.commands.items()] if isinstance(each, click.Group) else [(name, each)]
    )
]
ITEMS = fields(Settings)


def flags_of(verb):
    return {parameter.name: parameter for parameter in verb.params if isinstance(parameter, click.Option)}


@pytest.mark.parametrize("recipe", RECIPES)
def test_flags_keys_and_arguments_are_those_declared(recipe):
    wanted = {i.name for i in ITEMS if declaration_of(i).flag and declaration_of(i).belongs_to(recipe)}
    flags = flags_of(cli.commands[recipe])
    arguments = inspect.signature(getattr(split_surgery, recipe)).parameters
    documented = getattr(split_surgery, recipe).__doc__
    page = man_page(cli)
    for item in ITEMS:
        assert (item.name in flags) == (item.name in arguments) == (item.name in wanted), item.name
        if item.name in wanted:
            assert flags[item.name].opts == [f"--{word_of(item)}"]
            assert flags[item.name].default == arguments[item.name].default == item.default
            assert f"{item.name}: " in documented
            assert f"\\-\\-{word_of(item)}".replace("-", "\\-").replace("\\\\-", "\\-") in page
    shared = {"config", "force", "check", "diff", "progress", "net", "weights", "output"}
    assert set(arguments) - wanted == shared
    assert set(flags) - wanted - shared == {"as_json", "quiet", "verbose", "color"}


def test_apply_has_every_flag():
    wanted = {item.name for item in ITEMS if declaration_of(item).flag}
    assert wanted <= set(flags_of(cli.commands["apply"]))


@pytest.mark.parametrize(("name", "verb"), VERBS, ids=[name for name, _ in VERBS])
def test_help_fits_forty_lines_and_help_verb_is_the_same(command, name, verb):
    done = command(*name.split(), "--help")
    assert len(done.stdout.splitlines()) <= 40
    assert command("help", *name.split()).stdout.splitlines()[1:] == done.stdout.splitlines()[1:]


def test_long_names(command):
    for name, verb in VERBS:
        flags = flags_of(verb)
        for own, long in (
            ("output", "--output"),
            ("quiet", "--quiet"),
            ("verbose", "--verbose"),
            ("diff", "--dry-run"),
        ):
            assert own not in flags or long in flags[own].opts, name


def test_an_unknown_verb(command):
    done = command("help", "residuel")
    assert (done.returncode, "did you mean residual" in done.stderr) == (2, True)


def test_help_lists_verbs_in_the_order_of_work(command):
    text = command("--help").stdout
    places = [
        text.index(word) for word in ("Split (", "residual", "Prove (", "fold", "Look (", "report", "Start with:")
    ]
    assert places == sorted(places)


def test_an_unquoted_glob(command, tmp_path):
    net, weights = write_tiny(tmp_path)
    names = [f"s_iter_{step}.caffemodel" for step in (100, 200, 300)]
    done = command("residual", net, weights, "--snapshots", *names, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "quote it, so that the shell leaves it alone: 's_iter_*.caffemodel'" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "recipe: extension\nsurround: 3\n",
            r"c.yaml:2:1: surround is an option of residual, not of the extension split",
        ),
        ("recipe: skip\ncenter: 1\n", r"c.yaml:2:1: center is an option of residual, not of the skip split"),
        ("recipe: extension\nlayers:\n- layer: a\n  skip: average\n", r"c.yaml:4:3: skip is an option of skip, not of"),
        (
            "recipe: extension\nsurround: 3\nlayers: [{layer: a}]\n",
            r"c.yaml:2:1: surround is an option of residual, not of any",
        ),
    ],
)
def test_an_option_of_another_recipe_in_a_config(tmp_path, text, message):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        apply(tmp_path / "c.yaml", net, weights, tmp_path / "out")


def test_a_shared_option_is_for_the_recipes_that_have_it(tmp_path):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "c.yaml").write_text(
        "surround: 3\nlayers: [{layer: conv1_1, recipe: residual}, {layer: conv1_1_split1, recipe: extension}]\n"
    )
    first, second = apply(tmp_path / "c.yaml", net, weights, tmp_path / "out").plan.layers
    assert (first.options.surround, second.options.surround) == (3, Settings().surround)


def test_an_argument_of_another_recipe(tmp_path):
    with pytest.raises(TypeError, match=r"extension\(\) has no argument 'surround'"):
        split_surgery.extension(*write_tiny(tmp_path), tmp_path / "out", surround=3)


def test_weights_and_output_may_be_named(tmp_path):
    split_surgery.extension(*write_tiny(tmp_path), output=tmp_path / "out", noise=0)
    assert fold(tmp_path / "out", output=tmp_path / "back").status == "written"
    with pytest.raises(UsageError, match="output is missing"):
        fold(tmp_path / "out")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_every_shell(command, shell):
    script = command("completion", shell).stdout
    assert "_SPLIT_SURGERY_COMPLETE" in script
    assert "split-surgery" in script


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("split-surgery re", {"rename", "report", "reshape", "residual"}),
        ("split-surgery residual --meas", {"--measure"}),
        ("split-surgery rank --measure ", {"coherence", "ratio", "update", "norm", "tpm"}),
        (f"split-surgery residual {EXAMPLE}/train_val.prototxt --layer conv2", {"conv2_1", "conv2_2"}),
        ("split-surgery help fo", {"fold"}),
    ],
)
def test_what_is_completed(words, wanted):
    typed = words.split(" ")
    environment = os.environ | {
        "_SPLIT_SURGERY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(typed) - 1),
    }  # fmt: skip
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, check=False)
    found = {line.partition(",")[2] for line in done.stdout.splitlines()}
    assert {name for name in found if name.startswith(typed[-1])} == wanted


def test_the_measures_that_are_completed_are_all():
    flag = flags_of(cli.get_command(click.Context(cli), "rank"))["measure"]
    found = {item.value for item in flag.shell_complete(click.Context(cli), "")}
    assert found == {*MEASURES, BEST_REAL}


def test_files_are_completed_as_files():
    environment = os.environ | {
        "_SPLIT_SURGERY_COMPLETE": "bash_complete", "COMP_WORDS": "split-surgery residual base", "COMP_CWORD": "2",
    }  # fmt: skip
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["file,base"]
