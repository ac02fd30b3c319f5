"""Matrix products by oneDNN give torch's own values, and leave alone what they do not suit."""

from __future__ import annotations

import pytest

from shapiq_spex.games.models import inference

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def on_such_a_processor(monkeypatch):
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this build of torch has no oneDNN")
    monkeypatch.setattr(inference, "is_faster", lambda: True)


@pytest.fixture
def products(monkeypatch):
    """How many were oneDNN's."""
    made = []
    real = torch.ops.mkldnn._linear_pointwise

    def counted(*args):
        made.append(args)
        return real(*args)

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", counted)
    return made


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7,), (1, 7), (3, 5, 7), (0, 7)])
def test_a_linear_layer_gives_what_torch_gives(products, bias, shape):
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(7, 4, bias=bias), torch.randn(shape)
    expected = layer(x)
    with inference.inference():
        found = layer(x)
    assert len(products) == 1
    assert not found.requires_grad
    torch.testing.assert_close(found, expected.detach(), rtol=1e-6, atol=1e-6)


def test_transposed_weights_as_in_gpt2(products):
    from transformers.pytorch_utils import Conv1D

    torch.manual_seed(0)
    layer, x = Conv1D(4, 7), torch.randn(3, 5, 7)
    expected = layer(x)
    with inference.inference():
        found = layer(x)
    assert len(products) == 1
    torch.testing.assert_close(found, expected.detach(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_left_to_torch(products, dtype):
    layer, x = torch.nn.Linear(7, 4, dtype=dtype), torch.randn(2, 7, dtype=dtype)
    with inference.inference():
        assert torch.equal(layer(x), layer(x))
    assert not products


def test_weights_of_a_class_of_their_own_are_left_to_torch(products):
    class Quantised(torch.Tensor):
        pass

    weight = torch.randn(4, 7).as_subclass(Quantised)
    with inference.inference():
        torch.nn.functional.linear(torch.randn(2, 7), weight)
    assert not products


def test_elsewhere_nothing_changes(products, monkeypatch):
    monkeypatch.setattr(inference, "is_faster", lambda: False)
    with inference.inference():
        torch.nn.Linear(7, 4)(torch.randn(2, 7))
    assert not products
