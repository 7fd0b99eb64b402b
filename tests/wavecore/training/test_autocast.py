"""Number formats: what is chosen, what it touches, and that it trains."""

import pytest
import torch

from wavecore.errors import UsageError
from wavecore.training import autocast

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_named_format_is_taken(name):
    assert autocast.resolve(name, CPU) == autocast.resolve(name, torch.device("cuda")) == name


def test_auto_takes_bfloat16_where_it_is_native(monkeypatch):
    assert autocast.resolve("auto", torch.device("cuda")) == "bfloat16"
    for native, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(autocast, "has_bfloat16_units", lambda native=native: native)
        assert autocast.resolve("auto", CPU) == expected


def test_the_processor_is_asked():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), None)
    if flags is None:
        pytest.skip("this processor lists no flags")
    assert autocast.has_bfloat16_units() == ("avx512_bf16" in flags or "amx_tile" in flags)


def test_an_unknown_format_is_refused():
    with pytest.raises(UsageError, match="'half'"):
        autocast.resolve("half", CPU)


@pytest.mark.parametrize("name, dtype", [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_products_take_the_format(name, dtype):
    with autocast.autocast(name, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
