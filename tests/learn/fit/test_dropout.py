from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from moodfuse.learn.fit.dropout import fast_dropout

SHAPE = (64, 33, 51)
COUNT = 64 * 33 * 51


def dropped(seed: int, p: float = 0.1) -> Tensor:
    torch.manual_seed(seed)
    return F.dropout(torch.ones(SHAPE), p)


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.9])
def test_as_many_elements_fall_as_are_asked_and_the_mean_stays(p: float) -> None:
    with fast_dropout():
        result = dropped(0, p)
    share = (result == 0).float().mean().item()
    assert abs(share - p) < 4 * (p * (1 - p) / COUNT) ** 0.5 + 1e-5
    assert result[result != 0].unique() == pytest.approx(1 / (1 - p))


@pytest.mark.parametrize(("p", "kept"), [(0.0, COUNT), (1.0, 0)])
def test_all_or_nothing(p: float, kept: int) -> None:
    with fast_dropout():
        assert torch.empty(SHAPE).bernoulli_(1 - p).sum() == kept


def test_a_mask_is_a_function_of_the_seed_and_no_two_in_a_row_are_alike() -> None:
    with fast_dropout():
        first, again = dropped(1), dropped(1)
        torch.manual_seed(1)
        one, next_one = F.dropout(torch.ones(SHAPE), 0.1), F.dropout(torch.ones(SHAPE), 0.1)
    assert torch.equal(first, again)
    assert torch.equal(first, one)
    assert not torch.equal(one, next_one)


def test_no_place_is_tied_to_another() -> None:
    with fast_dropout():
        torch.manual_seed(0)
        masks = torch.stack([F.dropout(torch.ones(40), 0.5) > 0 for _ in range(4_000)]).float()
    correlations = torch.corrcoef(masks.T) - torch.eye(40)
    assert correlations.abs().max() < 5 / 4_000**0.5
    assert masks.mean(0).sub(0.5).abs().max() < 4 * 0.5 / 4_000**0.5


def test_gradients_pass_where_values_do() -> None:
    inputs = torch.ones(SHAPE, requires_grad=True)
    with fast_dropout():
        outputs = F.dropout(inputs, 0.3)
        outputs.sum().backward()
    assert torch.equal(inputs.grad, outputs.detach())


def test_attention_drops_too() -> None:
    q = torch.randn(2, 3, 16, 8)
    with fast_dropout():
        torch.manual_seed(0)
        first = F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)
        torch.manual_seed(0)
        again = F.scaled_dot_product_attention(q, q, q, dropout_p=0.5)
    assert torch.equal(first, again)
    assert not torch.allclose(first, F.scaled_dot_product_attention(q, q, q))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_types_of_numbers_and_strided_tensors(dtype: torch.dtype) -> None:
    with fast_dropout():
        tensor = torch.empty(40, 30, dtype=dtype).T
        tensor.bernoulli_(0.5)
        assert set(tensor.unique().tolist()) == {0.0, 1.0}
        assert torch.empty(0).bernoulli_(0.5).shape == (0,)


def test_afterwards_torch_draws_as_before_and_nothing_is_said() -> None:
    before = dropped(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fast_dropout():
            within = dropped(3)
        with fast_dropout():
            assert torch.equal(dropped(3), within)
    assert torch.equal(dropped(3), before)
    assert not torch.equal(within, before)


def test_an_error_goes_through() -> None:
    before = dropped(3)
    with pytest.raises(ZeroDivisionError), fast_dropout():
        _ = 1 / 0
    assert torch.equal(dropped(3), before)


def test_a_network_in_evaluation_drops_nothing() -> None:
    with fast_dropout():
        assert torch.equal(nn.Dropout(0.5).eval()(torch.ones(SHAPE)), torch.ones(SHAPE))
