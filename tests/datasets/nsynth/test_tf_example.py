from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.datasets.nsynth import tf_example
from wavecore.errors import InputError

integers = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5)
texts = st.lists(st.binary(max_size=20), max_size=4)
floats = st.lists(st.floats(width=32, allow_nan=False), max_size=5).map(lambda x: np.array(x, np.float32))


def same(a: tf_example.Value, b: tf_example.Value) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return type(a) is type(b) and list(a) == list(b)


@given(st.dictionaries(st.text(max_size=12), integers | texts | floats, max_size=6))
def test_any_features_come_back(features):
    back = tf_example.decode(tf_example.encode(features), where="a")
    assert back.keys() == features.keys()
    assert all(same(back[name], value) for name, value in features.items())


def test_the_bytes_are_protobufs():
    # Example{features{feature{key:"a" value{int64_list{value:[3, 300]}}}}}, by the wire format's own rules.
    expected = bytes.fromhex("0a0e 0a0c 0a0161 1207 1a05 0a03 03ac02".replace(" ", ""))
    assert tf_example.encode({"a": [3, 300]}) == expected
    # The same key with a float list [1.0] and a bytes list ["xy"].
    one = bytes.fromhex("0a0f 0a0d 0a0161 1208 1206 0a04 0000803f".replace(" ", ""))
    assert tf_example.encode({"a": np.array([1.0])}) == one
    two = bytes.fromhex("0a0d 0a0b 0a0161 1206 0a04 0a02 7879".replace(" ", ""))
    assert tf_example.encode({"a": [b"xy"]}) == two


def test_numbers_that_are_not_packed_are_read():
    ints = bytes.fromhex("0a0d 0a0b 0a0161 1206 1a04 0803 0805".replace(" ", ""))
    assert tf_example.decode(ints, where="a") == {"a": [3, 5]}
    floats = bytes.fromhex("0a13 0a11 0a0161 120c 120a 0d0000803f 0d00000040".replace(" ", ""))
    assert tf_example.decode(floats, where="a")["a"].tolist() == [1.0, 2.0]


def test_the_order_of_keys_changes_nothing():
    assert tf_example.encode({"b": [1], "a": [2]}) == tf_example.encode({"a": [2], "b": [1]})


def test_unknown_fields_are_passed_over():
    data = tf_example.encode({"a": [1]})
    for extra in ("1005", "1a03616263", "2501020304", "290102030405060708"):
        assert tf_example.decode(bytes.fromhex(extra) + data, where="a") == {"a": [1]}


def test_a_feature_that_was_never_set_is_empty():
    assert tf_example.decode(bytes.fromhex("0a07 0a05 0a0161 1200".replace(" ", "")), where="a") == {"a": []}
    assert tf_example.decode(b"", where="a") == {}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("0aff", "ends within a number"),
        ("0a05", "5 bytes are announced"),
        ("0a", "ends within a number"),
        ("08", "field 1 has wire type 0"),
        ("0b", "field 1 has wire type 3"),
        ("13", "wire type 3"),
        ("0000", "field 0"),
        ("ff" * 11, "more than ten bytes"),
        ("10" + "ff" * 9 + "7f", "more than 64 bits"),
        ("0a0d 0a0b 0a0161 1206 1204 0a02 0102", "a list of floats has 2 bytes"),
        ("0a0b 0a09 0a0161 1204 1202 0801", "a list of floats"),
        ("0a0b 0a09 0a01ff 1204 1a02 0801", "utf-8"),
    ],
)
def test_broken_bytes_are_refused_by_name(data, message):
    with pytest.raises(InputError, match=message) as caught:
        tf_example.decode(bytes.fromhex(data.replace(" ", "")), where="a.tfrecord, record 3")
    assert str(caught.value).startswith("a.tfrecord, record 3 is no tf.train.Example")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    try:
        assert isinstance(tf_example.decode(data, where="a"), dict)
    except InputError:
        pass
