"""The readers of foreign formats: what they take and what they refuse."""

import pickle
import struct

import numpy as np
import pytest

from fitdiff.perception.formats import dlib, onnx, pickled


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle was run')",))


def test_pickle_gives_arrays():
    data = {"a": [np.arange(6, dtype=np.float32).reshape(2, 3)], "b": np.zeros(2)}
    for protocol in (3, 4):
        read = pickled.read(pickle.dumps(data, protocol))
        np.testing.assert_array_equal(read["a"][0], data["a"][0])
        np.testing.assert_array_equal(read["b"], data["b"])


@pytest.mark.parametrize("content", [Harmful(), np.load, np.random.default_rng, {"x": (np.eye(2), len)}])
def test_pickle_refuses_everything_else(content):
    with pytest.raises(pickle.UnpicklingError, match="only numpy arrays"):
        pickled.read(pickle.dumps(content))


def test_pickle_refuses_object_arrays_that_hold_code():
    with pytest.raises(pickle.UnpicklingError, match="only numpy arrays"):
        pickled.read(pickle.dumps(np.array([Harmful()], dtype=object)))


def field(number: int, payload: bytes | int) -> bytes:
    if isinstance(payload, int):
        return bytes([number << 3, payload])
    return bytes([number << 3 | 2, len(payload)]) + payload


def test_onnx_weights_come_in_the_order_of_the_nodes():
    kernel, bias, slope = np.ones((2, 1, 1, 1), "<f4"), np.array([3, 4], "<f4"), np.array([[[5]], [[6]]], "<f4")
    tensors = b""
    for name, array in (("s", slope), ("b", bias), ("k", kernel)):
        shape = b"".join(field(1, size) for size in array.shape)
        tensors += field(5, shape + field(2, 1) + field(8, name.encode()) + field(9, array.tobytes()))
    nodes = b""
    for kind, inputs in (("Conv", ("x", "k", "b")), ("PRelu", ("y", "s"))):
        nodes += field(
            1, b"".join(field(1, name.encode()) for name in inputs) + field(2, b"y") + field(4, kind.encode())
        )
    graph = onnx.read(field(1, 8) + bytes([7 << 3 | 2, *varint(len(nodes + tensors))]) + nodes + tensors)
    found = onnx.weights(graph)
    assert [node.kind for node in graph.nodes] == ["Conv", "PRelu"]
    for array, expected in zip(found, (kernel, bias, slope.reshape(-1)), strict=True):
        np.testing.assert_array_equal(array, expected)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def test_dlib_layers_are_found_between_other_things():
    def integer(value: int) -> bytes:
        size = max((value.bit_length() + 7) // 8, 1)
        return bytes([size]) + value.to_bytes(size, "little")

    def tensor(array: np.ndarray) -> bytes:
        shape = [*array.shape, *[1] * (4 - array.ndim)]
        return integer(2) + b"".join(map(integer, shape)) + array.astype("<f4").tobytes()

    convolution, dense = np.arange(300), np.arange(6).reshape(2, 3)
    data = b"\x01\x0dloss_metric_2" + struct.pack("<d", 0.5) + b"\x01\x05con_4" + tensor(convolution)
    data += b"\x01\x05relu_" + b"\x01\x04fc_2" + integer(3) + integer(2) + tensor(dense) + b"tail"
    found = dlib.weights(data)
    np.testing.assert_array_equal(found[0], convolution)
    np.testing.assert_array_equal(found[1], dense)


def test_dlib_refuses_other_versions():
    with pytest.raises(ValueError, match="version 3"):
        dlib.weights(b"\x01\x05con_4\x01\x03\x01\x01\x01\x01\x01\x01\x01\x01")
