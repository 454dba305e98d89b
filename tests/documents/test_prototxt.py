"""The prototxt reader: its grammar, its places, and protobuf's text parser as an oracle."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from split_surgery.documents.prototxt import MAX_DEPTH, Document, Message, Scalar, quote, unescape
from split_surgery.documents.spans import Splice, apply_splices
from split_surgery.errors import FileError, SurgeryError
from tests.support.fixture_nets import EVERY_FIXTURE
from tests.support.paths import examples
from tests.support.protobuf_oracle import Mixed, agrees


def read(text: str | bytes) -> Document:
    return Document(text.encode() if isinstance(text, str) else text, "net.prototxt")


def values(message: Message):
    """(name, raw text or inner values) of every field."""
    return [
        (f.name, [values(v) if isinstance(v, Message) else v.raw.decode() for v in f.values]) for f in message.fields
    ]


def test_fields_know_their_bytes():
    text = 'a: 1 # one\nb { c: "x" "y" } ;d: [1, 2.5f]\n'
    fields = read(text).root.fields
    assert [text[slice(*field.span)] for field in fields] == ["a: 1", 'b { c: "x" "y" } ;', "d: [1, 2.5f]"]
    assert [text[slice(*field.value_span)] for field in fields] == ["1", '{ c: "x" "y" }', "[1, 2.5f]"]
    inner = fields[1].values[0]
    assert isinstance(inner, Message)
    assert text[slice(*inner.body)] == ' c: "x" "y" '


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a<b:1>", [("a", [[("b", ["1"])]])]),
        ("a:{b:-.5,}", [("a", [[("b", ["-.5"])]])]),
        ("a: - inf b: nan", [("a", ["- inf"]), ("b", ["nan"])]),
        ("a: [{b: 1}, <c: 2>]", [("a", [[("b", ["1"])], [("c", ["2"])]])]),
        ("a [{}] b: []", [("a", [[]]), ("b", [])]),
        (
            "[ext.name]: 1 [type.googleapis.com/x.Y] { z: 1 }",
            [("[ext.name]", ["1"]), ("[type.googleapis.com/x.Y]", [[("z", ["1"])]])],
        ),
        ("a: 0x1F b: 017 c: 1. d: 1e-3f", [("a", ["0x1F"]), ("b", ["017"]), ("c", ["1."]), ("d", ["1e-3f"])]),
        ("# only a comment", []),
        ("", []),
    ],
)
def test_grammar(text, expected):
    assert values(read(text).root) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nlayer {\n  b: 1\n", "net.prototxt:2:7: this '{' is never closed: is the file truncated?"),
        ('name: "x\ny: 1', "net.prototxt:1:7: this string has no closing quote on its line"),
        ("net: models/x.prototxt", "net.prototxt:1:12: expected a field name, found '/': text and paths need quotes"),
        ("net: 3rd", "net.prototxt:1:6: this is not a number; a name or path that starts with a digit needs quotes"),
        ("<<<<<<< HEAD\na: 1", "net.prototxt:1:1: a merge-conflict marker: resolve the conflict first"),
        ("a: 1\n=======\n", "net.prototxt:2:1: a merge-conflict marker: resolve the conflict first"),
        ("a { b: 1 } }", "net.prototxt:1:12: expected a field name, found '}'"),
        ("é: 1", "net.prototxt:1:1: this does not look like a prototxt: unexpected"),
        ("\té: 1", "net.prototxt:1:2: this does not look like a prototxt: unexpected"),
        ("a: -b", "net.prototxt:1:5: expected a number after '-', found 'b'"),
        ("a: [1,]", "net.prototxt:1:7: expected another value after the comma, found ']'"),
        ("a 1", "net.prototxt:1:3: this does not look like a prototxt: expected ':' or '{' after a, found '1'"),
        ("name 1", "net.prototxt:1:6: expected ':' or '{' after name, found '1'"),
        ("# Some words\nlayer { x y }", "net.prototxt:2:11: expected ':' or '{' after x, found 'y'"),
        ("a:", "net.prototxt:1:3: expected a value for a, found the end of the file"),
        ("a {" * (MAX_DEPTH + 1), "net.prototxt:1:303: messages are nested more than 100 deep"),
        ("\n\x0a\x05\0", "net.prototxt:3:2: is binary, not a prototxt"),
        ("a: 1\n" * 1000 + "# \0", "net.prototxt:1001:3: a NUL byte, which Caffe reads nowhere"),
    ],
)
def test_errors_say_where(text, message):
    with pytest.raises(FileError) as error:
        read(text)
    assert str(error.value).startswith(message)


@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_quoted_text_reads_back(text):
    for mark in (b'"', b"'"):
        assert unescape(quote(text, mark)) == text.encode("utf-8", "surrogateescape")


def test_escapes():
    assert unescape(rb'"\n\t\\\"\101\x41A" ' + b"# c\n 'z'") == b'\n\t\\"AAAz'


# A prototxt as the grammar allows it: fields, with any white space and comments between the tokens.
names = st.sampled_from(["name", "layer", "x", "_y1", "inf"])
gaps = st.sampled_from([" ", "\n", "\t", "\r\n", " # it's { a \"comment\n", "  "])
numbers = st.sampled_from(["0", "1", "-7", "1.", ".5", "1.0f", "2e3", "-1.5E-2f", "0x1F", "017", "-inf", "nan"])
strings = st.lists(st.sampled_from(['"a"', "'b'", '"{\\"}"', r"'\x41\101'", '""', '"é"']), min_size=1, max_size=3)


@st.composite
def fields(draw, depth=0):
    name, gap = draw(names), draw(gaps)
    # The kind follows the name, so that a schema can be derived.
    if name == "layer" and depth < 3:
        opening, closing = draw(st.sampled_from(["{}", "<>"]))
        colon = draw(st.sampled_from(["", ":"]))
        inner = "".join(draw(st.lists(fields(depth=depth + 1), max_size=3)))
        text = f"{name}{gap}{colon}{gap}{opening}{gap}{inner}{closing}"
    elif name in ("name", "layer"):
        name, text = "name", f"name:{gap}{gap.join(draw(strings))}"
    elif name == "x":
        items = draw(st.lists(numbers, max_size=3))
        text = f"x:{gap}[{f',{gap}'.join(items)}]" if draw(st.booleans()) else f"x{gap}:{draw(numbers)}"
    else:
        text = f"{name}{gap}:{gap}{draw(st.sampled_from(['TRAIN', 'true', 'AVE']))}"
    return text + gap + draw(st.sampled_from(["", ";", ","])) + draw(gaps)


@given(st.lists(fields(), max_size=6).map("".join))
@settings(max_examples=examples(300), deadline=None)
def test_protobuf_reads_the_same(text):
    document = read(text)
    with contextlib.suppress(Mixed):
        assert agrees(document), "protobuf refuses what the grammar allows"


@given(st.lists(fields(), max_size=6).map("".join), st.integers(0, 400), st.binary(max_size=3))
@settings(max_examples=examples(300), deadline=None)
def test_broken_text_raises_only_our_error(text, at, junk):
    data = text.encode()
    broken = data[:at] + junk + data[at + 1 :]
    try:
        document = Document(broken, "net.prototxt")
    except SurgeryError as error:
        assert str(error).startswith("net.prototxt:")
    else:
        assert apply_splices(broken, []) == document.data


@pytest.mark.parametrize("path", EVERY_FIXTURE, ids=lambda path: path.stem)
def test_fixtures_read_as_protobuf_reads_them(path):
    document = Document(path.read_bytes(), path.name)
    if path.stem == "invalid_utf8_comment":
        return  # Python's text_format decodes the whole file first
    assert agrees(document)


@pytest.mark.parametrize("path", EVERY_FIXTURE, ids=lambda path: path.stem)
def test_a_splice_and_its_inverse_give_the_file_back(path):
    data = path.read_bytes()
    for field in Document(data, path.name).root.fields:
        start, stop = field.value_span
        there = apply_splices(data, [Splice(start, stop, b"<new>")])
        assert apply_splices(there, [Splice(start, start + 5, data[start:stop])]) == data


def test_scalars_say_what_they_are():
    (field,) = read("a: true").root.fields
    value = field.values[0]
    assert isinstance(value, Scalar)
    assert (value.boolean(), value.integer()) == (True, None)


@pytest.mark.parametrize("digits", ["0x" + "f" * 6000, "-0x" + "f" * 6000, "0" + "7" * 9000, "9" * 9000])
def test_a_number_of_thousands_of_digits_is_no_integer(digits):
    """Python refuses to print it, and no field of protobuf's takes it."""
    (field,) = read(f"n: {digits}").root.fields
    (value,) = field.values
    assert isinstance(value, Scalar)
    assert value.integer() is None
    assert value.real() in (None, float("inf"))
