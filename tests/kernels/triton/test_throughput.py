"""The tilings of the throughput backend; test_tiled.py compares its samples with the specification."""

from __future__ import annotations

import pytest
from kernel_networks import Config, network

from wavecore.errors import DeviceError
from wavecore.kernels.triton.throughput import choose_tiling

NARROW = network(Config(residual_channels=64))
WIDE = network(Config(residual_channels=128, gate_channels=128, skip_channels=128))
WIDER = network(Config(3, 128, 128, 128))


def test_the_tiling_depends_on_sizes_and_device_alone():
    assert [choose_tiling(packed).tile for packed in (NARROW, WIDE, WIDER)] == [64, 32, 16]
    assert [choose_tiling(packed, capability=80).tile for packed in (NARROW, WIDE, WIDER)] == [32, 16, 16]
    assert choose_tiling(WIDE, "float32").tile == 16


def test_a_network_that_does_not_fit_is_refused():
    with pytest.raises(DeviceError, match="129"):
        choose_tiling(network(Config(skip_channels=129)))
