"""Any bytes at all: the parser gives the data that they are, or says in a DataError why they are none."""

import contextlib
import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gluon_cnn.data import read_fashion_mnist
from gluon_cnn.data.idx import parse_idx
from gluon_cnn.errors import DataError, GluonCNNError

NAMES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]

shapes = st.one_of(st.tuples(st.integers(0, 5)), st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(0, 30)))
# Bytes that begin as an IDX file does, with sizes of any kind.
nearly = st.builds(
    lambda kind, dimensions, sizes, rest: bytes([0, 0, kind, dimensions]) + struct.pack(">3I", *sizes) + rest,
    st.sampled_from([8, 8, 8, 9, 0]),
    st.sampled_from([1, 3, 3, 2, 255]),
    st.tuples(*[st.integers(0, 2**32 - 1)] * 3),
    st.binary(max_size=100),
)


@given(shapes, st.integers(0, 2**32 - 1))
def test_an_array_comes_back_as_it_was_written(shape, seed):
    array = np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)
    content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + array.tobytes()
    np.testing.assert_array_equal(parse_idx(content, "a file"), array)
    with pytest.raises(DataError):
        parse_idx(content + b"\0", "a file")
    with pytest.raises(DataError):
        parse_idx(content[:-1], "a file")


@given(st.one_of(st.binary(max_size=200), nearly))
def test_any_bytes_are_data_or_a_data_error(content):
    with contextlib.suppress(DataError):
        assert parse_idx(content, "a file").nbytes <= len(content)


@given(st.tuples(*[st.integers(2**20, 2**32 - 1)] * 3))
def test_header_that_promises_too_much_is_refused(sizes):
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="is truncated"):
            parse_idx(b"\0\0\x08\x03" + struct.pack(">3I", *sizes) + b"some pixels", "a file")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), st.booleans(), st.one_of(st.binary(max_size=200), nearly))
def test_strange_files_are_refused_in_a_sentence(tmp_path, name, compressed, content):
    directory = tmp_path / "data"
    directory.mkdir(exist_ok=True)
    for path in directory.iterdir():
        path.unlink()
    for other in NAMES:
        (directory / other).write_bytes(b"\0\0\x08\x01\0\0\0\0")
    (directory / name).unlink()
    path = directory / (name + ".gz" * compressed)
    path.write_bytes(gzip.compress(content) if compressed else content)
    before = {path: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(GluonCNNError):
        read_fashion_mnist(directory)
    assert {path: path.read_bytes() for path in directory.iterdir()} == before
