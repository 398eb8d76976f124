import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medgraft.workshop.frames import FrameError, decode, encode, read_frame, write_frame

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@given(plain)
def test_what_is_sent_arrives(value):
    assert decode(encode({"value": value})) == {"value": value}


def test_arrays_and_tensors_arrive_as_arrays():
    value = [np.arange(6, dtype=np.uint8).reshape(2, 3), torch.tensor([[1.5]], requires_grad=True), np.float32(2)]
    first, second, third = decode(encode(value))
    np.testing.assert_array_equal(first, np.arange(6).reshape(2, 3))
    assert first.dtype == np.uint8
    assert second.tolist() == [[1.5]]
    assert third == 2


@pytest.mark.parametrize("value", [object(), {1, 2}, print, np.array(["a"]), np.array([object()]), {"x": [lambda: 0]}])
def test_what_is_no_value_is_refused(value):
    with pytest.raises(FrameError, match="cannot be judged"):
        encode(value)


def test_nothing_is_unpickled():
    """A pickled array that would run code is refused, not run."""
    import json
    import pickle

    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    packed = io.BytesIO()
    np.savez(packed, **{"0": np.array([None], dtype=object)})
    text = json.dumps({"$array": 0}).encode()
    for content in (packed.getvalue(), pickle.dumps(Bomb())):
        with pytest.raises(FrameError):
            decode(len(text).to_bytes(8, "little") + text + content)


def test_streams_end_and_break():
    stream = io.BytesIO()
    write_frame(stream, {"x": 1})
    stream.seek(0)
    assert read_frame(stream) == {"x": 1}
    with pytest.raises(EOFError):
        read_frame(stream)
    with pytest.raises(FrameError, match="too long"):
        read_frame(io.BytesIO((1 << 40).to_bytes(8, "little")))
    with pytest.raises(FrameError, match="no frame"):
        read_frame(io.BytesIO((3).to_bytes(8, "little") + b"abc"))


def test_an_array_is_read_once_however_often_it_is_named():
    """A short text may name a large array a million times."""
    packed = io.BytesIO()
    np.savez_compressed(packed, **{"0": np.zeros(1 << 20)})
    text = b"[" + b",".join([b'{"$array": 0}'] * 1000) + b"]"
    found = decode(len(text).to_bytes(8, "little") + text + packed.getvalue())
    assert len(found) == 1000
    assert all(one is found[0] for one in found)


def test_what_is_too_large_is_refused_before_it_is_packed():
    assert len(encode(np.zeros(10), most=100)) > 0
    for value in (np.zeros(1 << 20), "x" * (1 << 20)):
        with pytest.raises(FrameError, match="are more than can be judged"):
            encode(value, most=100)
    for text in (b"[" * 100_000, b'{"$array": 7}', b'{"$array": -1}', b'{"$array": "0"}', b'{"$array": [0]}'):
        with pytest.raises(FrameError):
            decode(len(text).to_bytes(8, "little") + text + encode(None)[12:])
