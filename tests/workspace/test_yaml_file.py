"""YAML of any shape ends in plain data or in one short line with its place, in bounded time."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from split_surgery import show
from split_surgery.documents.source import read_file
from split_surgery.errors import FileError, SurgeryError
from split_surgery.splitting.config import read_config
from split_surgery.splitting.plan_file import read_plan
from split_surgery.splitting.ranking.scores_file import read_scores
from split_surgery.workspace import yaml_file
from split_surgery.workspace.yaml_file import YAML_LIMIT, YamlFile, dumped
from tests.support.nets import TINY
from tests.support.paths import examples

NAMES = st.sampled_from(["a", "b", "c"])
NUMBERS = ["0x" + "f" * 5000, "0b" + "1" * 9000, "1" + ":59" * 3000, "9" * 401, ".inf", "-.nan", "1e999", "0o7", "1_0"]
WORDS = ["x", "''", '"\\u202e"', "~", "yes", "2001-01-01 00:00:00 +99:99", "é", "\U0001f600", "'a\n  b'", "<<", "="]
KEYS = ["layer", "layers", "recipe", "seed", "fast", "names", "also", "format", "noise", "scores", "net", "kernels"]
TAGS = [
    "!!int",
    "!!float",
    "!!bool",
    "!!timestamp",
    "!!binary",
    "!!set",
    "!!omap",
    "!!pairs",
    "!!null",
    "!!map",
    "!odd",
]


def nested(inner):
    """Lists and mappings in the flow style, with anchors, tags and merges."""
    lists = st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
    keys = st.one_of(st.sampled_from([*KEYS, "<<"]), inner.map(lambda key: f"? {key}"))
    pairs = st.tuples(keys, inner).map(": ".join)
    mappings = st.lists(pairs, max_size=4).map(lambda items: f"{{{', '.join(items)}}}")
    both = lists | mappings
    return (
        both
        | st.tuples(NAMES, both).map("&{0[0]} {0[1]}".format)
        | st.tuples(st.sampled_from(TAGS), both).map(" ".join)
    )


SCALARS = st.one_of(
    st.sampled_from(NUMBERS + WORDS),
    NAMES.map("*{}".format),
    st.tuples(st.sampled_from(TAGS), st.sampled_from(NUMBERS + WORDS)).map(" ".join),
    st.text(max_size=5),
)
VALUES = st.recursive(SCALARS, nested, max_leaves=12)
FILES = st.lists(st.tuples(st.sampled_from([*KEYS, "zz", "<<"]), VALUES), max_size=5).map(
    lambda pairs: "".join(f"{key}: {value}\n" for key, value in pairs)
)


def bomb(levels: int, width: int = 9, leaf: str = "[x, x, x]") -> str:
    """A list in which each value stands for several of the one before."""
    steps = [f"&a0 {leaf}"]
    steps += [f"&a{at} [{', '.join([f'*a{at - 1}'] * width)}]" for at in range(1, levels)]
    return f"[{', '.join(steps)}]"


def one_line(error: SurgeryError) -> bool:
    text = str(error)
    return len(text) < 3000 and text.isprintable()


@settings(deadline=None, max_examples=examples(200), suppress_health_check=[HealthCheck.too_slow])
@given(FILES)
def test_it_reads_what_pyyaml_reads_or_says_where_it_does_not(text):
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    try:
        found = YamlFile(data, "f.yaml").tree()
    except FileError as error:
        assert len(str(error)) < 3000
        assert len(error.message.splitlines()) == 1
        return
    assert repr(found) == repr(yaml.safe_load(text)), "bounded, so this is bounded as well"


@settings(deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES)
def test_every_reader_ends_in_an_error_of_ours(tmp_path, text):
    folder = tmp_path / "dir"
    folder.mkdir(exist_ok=True)
    (folder / "net.prototxt").write_text(TINY)
    path = folder / "split.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    readers = (read_config, read_plan, lambda path: read_scores(path, "a"), lambda _: show(folder))
    for reader in readers:
        began = time.monotonic()
        try:
            reader(path)
        except SurgeryError as error:
            assert error.exit_code in (2, 3)
            assert len(str(error)) < 3000
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"a: {bomb(9)}", r"comes to more than 250,000 values"),
        (f"a: {bomb(40, 2, '{}')}", r"comes to more than 250,000 values"),
        (
            "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 30)),
            "more than 250,000 values",
        ),
        ("é: &a [b, *a]", r"f.yaml:1:11: the alias \*a stands inside what it names"),
        ("a: &a {? *a : b}", "the alias"),
        ("[" * 100_000, "f.yaml:1:51: values stand more than 50 deep"),
        ("- " * 100_000, "f.yaml:1:101: values stand more than 50 deep"),
        ("a: 0x" + "f" * 3000, "f.yaml:1:4: a number of 3,002 characters"),
        ("a: [1, " + "1" * 5000 + "]", "f.yaml:1:8: a number of 5,000 characters"),
        ("a: 1" + ":00" * 4000 + ".5", "a number of 12,003 characters"),
        ("a: !!int x", "f.yaml:1:4: not YAML: 'x' is no int"),
        ("a: !!int " + "x" * 5000, "a number of 5,000 characters"),
        ("a: !!timestamp x", "'x' is no timestamp"),
        ("é: \x01", "f.yaml:1:4: not YAML: special characters are not allowed"),
        (b"a: \xff", "not YAML: 'utf-8' codec"),
        ("a: *" + "b" * 100_000, "found undefined alias"),
        (b" " * (YAML_LIMIT + 1), "has more than the 8,388,608 bytes"),
    ],
    ids=range(17),
)
def test_what_is_refused_and_where(text, message):
    began = time.monotonic()
    with pytest.raises(FileError, match=message) as caught:
        YamlFile(text.encode() if isinstance(text, str) else text, "f.yaml").tree()
    assert one_line(caught.value)
    assert time.monotonic() - began < 30, "seconds on a machine that does much else"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1,\n  2", "f.yaml:2:4: the file ends in the middle of a list"),
        ("a: [{b: 1", "f.yaml:1:10: the file ends in the middle of a mapping"),
        ("a: [1,\n", "f.yaml:2:1: the file ends in the middle of a list or a mapping"),
        ("a: 'b", "f.yaml:1:6: the file ends in the middle of a text in quotes"),
    ],
)
def test_a_file_that_was_cut(text, message):
    with pytest.raises(FileError) as caught:
        YamlFile(text.encode(), "f.yaml")
    assert str(caught.value) == f"{message}\n  was it cut? get the whole file, or close what is open"


@pytest.mark.parametrize(("text", "hinted"), [("a: [1\nc: 2\n", False), ("a:\n  - b: 1\n   c: 2\n", True)])
def test_what_is_not_closed_has_nothing_to_do_with_how_it_is_indented(text, hinted):
    with pytest.raises(FileError, match="f.yaml:.*: not YAML: expected ") as caught:
        YamlFile(text.encode(), "f.yaml")
    assert (caught.value.hint == "what belongs together is indented alike") == hinted


def test_a_long_list_is_refused_too(monkeypatch):
    monkeypatch.setattr(yaml_file, "_NODES", 2500)  # a hundred times as many take seconds
    with pytest.raises(FileError, match=r"f.yaml:2500:3: comes to more than 2,500 values"):
        YamlFile(b"- a\n" * 3000, "f.yaml").tree()


def test_places_are_of_lines_and_characters_wherever_they_are():
    text = "é: [" + "'ü', " * 5000 + "{größe: 1}]\n" * 1
    file = YamlFile(text.encode(), "f.yaml")
    inner = file.tree()["é"][-1]
    assert inner == {"größe": 1}
    assert str(file.place_in(inner)) == f"f.yaml:1:{text.index('{') + 1}"
    assert str(file.place_in(inner, "größe")) == f"f.yaml:1:{text.index('{') + 2}"
    assert str(file.place_in("elsewhere")) == "f.yaml"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding):
    assert YamlFile("a: ü".encode(encoding), "f").tree() == {"a": "ü"}


def test_an_empty_file_and_one_that_is_no_mapping():
    assert YamlFile(b"# nothing\n", "f").tree() is None
    assert YamlFile(b"[1, 2]", "f").tree() == [1, 2]
    with pytest.raises(FileError, match="must be a mapping"):
        YamlFile(b"[1, 2]", "f").mapping()


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "f.yaml"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    for reader in (YamlFile.read, read_config, read_plan, lambda path: read_scores(path, "a")):
        with pytest.raises(FileError, match="has 1,099,511,627,776 bytes"):
            reader(path)
    assert len(read_file(__file__)) > 0


@pytest.mark.parametrize(
    "words", [["apply", "f.yaml", "n", "w", "-o", "o"], ["residual", "n", "w", "-o", "o", "--config", "f.yaml"]]
)
@pytest.mark.parametrize(
    "text", [f"seed: {bomb(9)}", f"zz: {bomb(9)}", f"fast: &a [{bomb(5)}]", "seed: 0x" + "f" * 4000]
)
def test_the_command_says_it_in_a_line(command, tmp_path, words, text):
    (tmp_path / "f.yaml").write_text(text)
    done = command(*words, cwd=tmp_path)
    assert done.returncode in (2, 3)
    assert done.stderr.startswith("split-surgery: f.yaml:1:")
    assert len(done.stderr) < 3000


@pytest.mark.parametrize(
    "text", ["\ufeff", "\ufeffa", "a\ufeffb", " ", "~", "1e3", "a: b", "- a", "\u2028", "\x85", "é"]
)
def test_what_is_written_reads_the_same(text):
    """Any name, also those that YAML would take for something else."""
    assert YamlFile(dumped({"a": text, "b": [text]}), "f").tree() == {"a": text, "b": [text]}
