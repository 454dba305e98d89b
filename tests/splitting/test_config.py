"""YAML files of options: the flags' words, checked as they are, overridden by what is given."""

from __future__ import annotations

from dataclasses import fields

import pytest

from split_surgery import extension, residual, skip
from split_surgery.errors import SurgeryError
from split_surgery.splitting.config import read_config
from split_surgery.splitting.options import Settings, word_of
from tests.support.nets import write_tiny
from tests.support.paths import ROOT


def test_flags_override_the_config_and_the_config_the_defaults(tmp_path, command):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "c.yaml").write_text("recipe: residual\nfast: 2\nseed: 5\nnoise: 1e-3\ntrust-field: [a, b]\n")
    options = residual(net, weights, tmp_path / "one", config=tmp_path / "c.yaml").layer.options
    assert (options.fast, options.seed, options.noise, options.surround) == ("2", 5, 0.001, -0.2)
    done = command("residual", net, weights, "-o", tmp_path / "two", "--config", tmp_path / "c.yaml", "--seed", 0)
    assert "2 fast + 4 slow" in done.stdout
    trusted = ["--trust-field", "a", "--trust-field", "b"]
    same = command(
        "residual", net, weights, "-o", tmp_path / "two", "--fast", 2, "--noise", "0.001", "--check", *trusted
    )
    assert same.returncode == 0, same.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fastt: 2", "c.yaml:1:1: there is no option 'fastt'\n  nearest: fast"),
        ("# é\nnoise: 0.1\nsurroundd: 1", "c.yaml:3:1: there is no option 'surroundd'\n  nearest: surround"),
        ("trust_field: a", "nearest: trust-field"),
        ("seed: many", "c.yaml:1:1: seed must be a whole number, not 'many'"),
        ("seed: true", "seed must be a whole number, not True"),
        ("noise: [1]", "noise must be a number, not [1]"),
        ("fast: 0.5", "fast must be half, a number or a percentage, not 0.5"),
        ("window: 10:20", "window must be A:B in quotes"),
        ("seed: 1\nseed: 2", "c.yaml:2:1: seed is given twice"),
        ("recipe: extension", "c.yaml:1:1: this config is for the extension split, not for residual"),
        ("order: best", "order=best: must be one of tpm, random, reverse"),
        ("noise: .nan", "noise=nan: must be a finite number"),
        ("- a\n- b", "must be a mapping"),
        ("a: [1", "c.yaml:1:6: the file ends in the middle of a list"),
        ("\xff", "not YAML"),
        ("[" * 5000, "c.yaml:1:51: values stand more than 50 deep"),
    ],
)
def test_configs_that_are_refused(tmp_path, text, message):
    net, weights = write_tiny(tmp_path)
    (tmp_path / "c.yaml").write_bytes(text.encode("latin-1" if text == "\xff" else "utf-8"))
    with pytest.raises(SurgeryError) as error:
        residual(net, weights, tmp_path / "out", config=tmp_path / "c.yaml")
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


def test_an_empty_config_is_the_defaults(tmp_path):
    (tmp_path / "c.yaml").write_text("# nothing\n")
    assert Settings.made_of(read_config(tmp_path / "c.yaml", "residual")[0].options, {}) == Settings()


CONFIGS = sorted(path for path in (ROOT / "configs").glob("*.yaml") if path.stem != "multi_split")  # see test_apply.py


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configs_that_come_with_the_project(tmp_path, path):
    net, weights = write_tiny(tmp_path)
    (entry,) = read_config(path)
    verb = {"extension": extension, "residual": residual, "skip": skip}[entry.recipe]
    report = verb(net, weights, tmp_path / "out", config=path)
    if path.stem == "author_names":
        assert report.layer.names["split2_extension"] == "conv1_1_split2_extention"
        return
    defaults = verb(net, weights, tmp_path / "plain", order=report.layer.options.order)
    assert report.plan == defaults.plan


def test_every_option_has_a_flag_of_the_same_word(command):
    text = command("apply", "--help").stdout
    for item in fields(Settings):
        if item.name == "names":  # in a config only: nobody types seven suffixes
            continue
        assert f"--{word_of(item)}" in text


@pytest.mark.parametrize(
    "options",
    [
        {"noise": "x"},
        {"noise": None},
        {"seed": 1.7},
        {"seed": "a"},
        {"layer": 3},
        {"snapshots": ["a"]},
        {"scores": [1]},
        {"fast": 0.5},
    ],
)
def test_values_of_the_wrong_type_in_the_library(tmp_path, options):
    net, weights = write_tiny(tmp_path)
    with pytest.raises(SurgeryError, match="must be"):
        residual(net, weights, tmp_path / "out", **options)
    with pytest.raises(TypeError, match="has no argument 'nosuch'"):
        residual(net, weights, tmp_path / "out", nosuch=1)


def test_one_trusted_field_may_be_a_string(tmp_path):
    net, weights = write_tiny(tmp_path)
    report = residual(net, weights, tmp_path / "out", trust_field="is_relu")
    assert report.plan.to_tree()["layers"][0]["trust_field"] == ["is_relu"]
