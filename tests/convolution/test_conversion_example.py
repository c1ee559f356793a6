"""The example of the documentation: a ResNet of transformers, converted, told, exported, run."""

import numpy as np
import pytest
import torch

from huashi.convolution import convert, cost


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # its own code
@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("depthwise_separable", "depthwise_separable"),
        ("spatially_separable", "spatially_separable"),
    ],
)
def test_a_converted_network_runs_in_onnxruntime(kind, place, tmp_path):
    transformers = pytest.importorskip("transformers")
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip(f"huashi.convolution.{place}")
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=5
    )
    model = transformers.ResNetForImageClassification(config).eval()
    images = torch.randn(2, 3, 32, 32)
    before = cost(model, images)
    told = convert(model, kind, lambda name, layer: layer.kernel_size == (3, 3))
    after = cost(model, images)
    assert {layer.before for layer in told.converted.values()} == {"Conv2d"}
    assert len(told.converted) == 4
    assert after.multiply_adds < before.multiply_adds
    assert after.parameters < before.parameters

    path = tmp_path / "model.onnx"
    torch.onnx.export(model, (images,), path, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(path)
    [logits] = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(logits, model(images).logits.numpy(), rtol=1e-4, atol=1e-4)
