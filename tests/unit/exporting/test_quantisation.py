"""A quantised network is smaller, predicts nearly the same, and keeps its first and last layers in float."""

import numpy as np
import pytest
import torch

from facemask.data.preprocessing import Preprocessing
from facemask.errors import ModelError
from facemask.exporting.quantisation import first_nodes, last_nodes, quantised
from facemask.inference.graph import Graph, to_onnx
from facemask.models.cnn import CNN

pytestmark = pytest.mark.slow

PREPROCESSING = Preprocessing(("a", "b", "c"), 32, 24)


@pytest.fixture(scope="module")
def graph() -> Graph:
    torch.manual_seed(0)
    return Graph(CNN(num_classes=3, channels=[16, 32, 64], hidden=32), PREPROCESSING)


def run(model: bytes, images: np.ndarray) -> np.ndarray:
    import onnxruntime

    return np.asarray(onnxruntime.InferenceSession(model).run(None, {"images": images})[0])


def test_a_quantised_network_is_smaller_and_predicts_nearly_the_same(graph: Graph) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 24, 24, 3)).astype(np.uint8)
    whole = to_onnx(graph)
    small = quantised(whole, images, float_layers=1)
    operators = [node.op_type for node in small.graph.node]
    assert operators[-2:] == ["Gemm", "Softmax"]  # with nothing rounded between them or behind
    assert small.ByteSize() < 0.45 * whole.ByteSize()
    with torch.inference_mode():
        expected = graph(torch.from_numpy(images)).numpy()
    assert np.allclose(run(whole.SerializeToString(), images), expected, atol=1e-5)
    found = run(small.SerializeToString(), images)
    assert 0 < np.abs(found - expected).max() < 0.02
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-5
    assert np.abs(255 * found - np.round(255 * found)).max() > 0.05
    assert run(small.SerializeToString(), images[:1]).shape == (1, 3)


def test_the_first_layers_stay_in_float(graph: Graph) -> None:
    model = to_onnx(graph)
    operators = {node.name: node.op_type for node in model.graph.node}
    kept = [[operators[name] for name in first_nodes(model, n)] for n in (0, 1, 2)]
    assert [names.count("Conv") for names in kept] == [0, 1, 2]
    assert all({"Transpose", "Resize"} <= set(names) for names in kept)
    with pytest.raises(ModelError, match="float_layers=3 leaves nothing to quantise: the network has 3 convolutions"):
        first_nodes(model, 3)


def test_the_last_layer_and_the_softmax_stay_in_float(graph: Graph) -> None:
    model = to_onnx(graph)
    operators = {node.name: node.op_type for node in model.graph.node}
    assert sorted(operators[name] for name in last_nodes(model)) == ["Gemm", "Softmax"]


@pytest.mark.parametrize(("store", "size"), [(24, 16), (16, 24), (16, 16)])
def test_an_exported_graph_resizes_as_training_does(store: int, size: int) -> None:
    preprocessing = Preprocessing(("a", "b"), size, store)
    graph = Graph(CNN(num_classes=2, channels=[4], hidden=4), preprocessing)
    images = np.random.default_rng(0).integers(0, 256, (5, store, store, 3)).astype(np.uint8)
    with torch.inference_mode():
        expected = graph.net(preprocessing.normalise(torch.from_numpy(images))).softmax(dim=1).numpy()
    assert np.allclose(run(to_onnx(graph).SerializeToString(), images), expected, atol=1e-5)


def test_a_graph_contains_no_path_of_this_machine(graph: Graph) -> None:
    assert b"/facemask/" not in to_onnx(graph).SerializeToString()
