"""Patterns as defined, computed cheaply and from a cache: always what the mask says."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from wavecore.errors import UsageError
from wavecore.models.musenet.attention import CausalAttention, LayerCache, Pattern, attend, attend_masked

PATTERNS = [
    Pattern(),
    Pattern("strided", 4),
    Pattern("strided", 1, 1),
    Pattern("fixed", 4, 1),
    Pattern("fixed", 5, 2),
    Pattern("fixed", 3, 3),
    Pattern("strided", 50),
]


def tensors(length, *, n=3, batch=2, heads=3, size=5, dtype=torch.float64):
    torch.manual_seed(length)
    return [torch.randn(batch, heads, length, size, dtype=dtype, requires_grad=True) for _ in range(n)]


def test_patterns_are_those_of_the_paper():
    strided = [[j for j in range(12) if row[j]] for row in Pattern("strided", 3).mask(0, 12).tolist()]
    assert strided[0] == [0] and strided[2] == [0, 1, 2] and strided[10] == [1, 4, 7, 8, 9, 10]
    fixed = [[j for j in range(12) if row[j]] for row in Pattern("fixed", 4, 2).mask(0, 12).tolist()]
    assert fixed[1] == [0, 1] and fixed[5] == [2, 3, 4, 5] and fixed[10] == [2, 3, 6, 7, 8, 9, 10]
    assert torch.equal(Pattern().mask(0, 6), torch.ones(6, 6, dtype=torch.bool).tril())


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@pytest.mark.parametrize("cut", [(0, 1), (3, 4), (2, 7), (6, 13)])
def test_rows_of_a_mask(pattern, cut):
    first, last = cut
    assert torch.equal(pattern.mask(first, last), pattern.mask(0, 13)[first:last, :last])


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@pytest.mark.parametrize("length", [1, 3, 4, 9, 16, 31])
def test_the_cheap_way_is_the_masked_one(pattern, length):
    given = tensors(length)
    found, wanted = attend(*given, pattern), attend_masked(*given, pattern.mask(0, length))
    torch.testing.assert_close(found, wanted)
    weight = torch.randn_like(found)
    for got, want in zip(
        torch.autograd.grad((found * weight).sum(), given),
        torch.autograd.grad((wanted * weight).sum(), given),
        strict=True,
    ):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_nobody_hears_what_is_to_come(pattern):
    query, key, value = tensors(11)
    found = attend(query, key, value, pattern)
    mask = pattern.mask(0, 11)
    for row in range(11):
        for given in (key, value):
            (gradient,) = torch.autograd.grad(found[:, :, row].square().sum(), given, retain_graph=True)
            heard = gradient.abs().sum((0, 1, 3)) > 0
            # A key that is alone decides nothing.
            assert torch.equal(heard, mask[row]) or (given is key and int(mask[row].sum()) == 1)


@pytest.mark.parametrize("pattern", [Pattern("strided", 32), Pattern("fixed", 32, 4)], ids=str)
def test_sparse_patterns_cost_less(pattern):
    given = [x.detach() for x in tensors(1024, dtype=torch.float32, size=16)]
    costs = []
    for compute in (lambda: attend(*given, pattern), lambda: given[0] @ given[1].transpose(2, 3) @ given[2]):
        with FlopCounterMode(display=False) as counter:
            compute()
        costs.append(counter.get_total_flops())
    assert costs[0] < costs[1] / 5


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@pytest.mark.parametrize("pieces", [[1] * 13, [6] + [1] * 7, [4, 5, 4], [13]])
def test_a_cache_changes_nothing(pattern, pieces):
    torch.manual_seed(0)
    layer, x = CausalAttention(12, 3, pattern).double(), torch.randn(2, 13, 12, dtype=torch.float64)
    cache = LayerCache(13)
    found = torch.cat([layer(part, cache) for part in x.split(pieces, dim=1)], dim=1)
    torch.testing.assert_close(found, layer(x))
    assert cache.length == 13
    with pytest.raises(UsageError, match="14 positions do not fit into a cache for 13"):
        layer(x[:, :1], cache)


def test_patterns_that_are_none():
    for options, message in (
        (("local",), "no attention pattern 'local'"),
        (("fixed", 4, 5), "summary of 5"),
        (("strided", 0, 0), "block of 0"),
    ):
        with pytest.raises(UsageError, match=message):
            Pattern(*options)
