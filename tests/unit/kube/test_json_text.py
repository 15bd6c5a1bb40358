"""What is nested without an end is read as far as it can be used."""

import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.json_text import loads
from kube.packing import PackedObject

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.text(), st.integers(-(2**53), 2**53)),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


def nested(depth: int) -> bytes:
    half = depth // 2
    return b'{"a":[' * half + b'"}]\\""' + b"]}" * half


def depth_of(value: Any) -> int:
    depth = 0
    while isinstance(value, dict | list) and value:
        depth += 1
        value = value["a"] if isinstance(value, dict) else value[0]
    return depth


@given(VALUES)
def test_what_people_write_is_read_as_it_is(value: Any) -> None:
    assert loads(orjson.dumps(value)) == value


@pytest.mark.parametrize("depth", [254, 300, 1_024, 1_026, 10_000, 200_000])
def test_what_is_too_deep_is_cut_and_all_beside_it_is_kept(depth: int) -> None:
    text = b'{"items": [{"spec": {"x": ' + nested(depth) + b', "y": [1, "]}"]}}, {"spec": "\\\\"}]}'
    found = loads(text)
    first, second = found["items"]
    assert second == {"spec": "\\"}
    assert first["spec"]["y"] == [1, "]}"]
    assert 150 < depth_of(first["spec"]["x"]) <= 254
    assert found == loads(text)  # no RecursionError
    assert PackedObject(first, lambda obj: obj).read() == first


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[" * 2_000, b'{"a": }', b"[" * 2_000 + b"]" * 1_999, b'"' + b"\\" * 5_000]
)
def test_what_is_no_json_is_an_error(text: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        loads(text)


@given(st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b'"', b"\\", b",", b"1", b'"a":']), max_size=30))
def test_it_is_an_error_exactly_where_the_parser_says_so(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    try:
        expected = orjson.loads(text)
    except orjson.JSONDecodeError:
        with pytest.raises(orjson.JSONDecodeError):
            loads(text)
    else:
        assert loads(text) == expected


def test_a_text_of_brackets_takes_no_time() -> None:
    started_s = time.process_time()
    loads(b'{"x": ' + b"[" * 500_000 + b"]" * 500_000 + b"}")
    assert time.process_time() - started_s < 2
