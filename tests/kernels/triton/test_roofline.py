"""The arithmetic of a GPU's bound; test_hardware.py measures."""

import pytest
import torch

from wavecore.errors import DeviceError
from wavecore.kernels.triton.roofline import GpuCeilings, measure_gpu


def test_the_bound_is_the_slower_of_computing_and_handing_on():
    ceilings = GpuCeilings(copy_bytes_per_s=1e12, multiply_adds_per_s=1e6, hop_s=1e-3)
    assert ceilings.samples_per_s(streams=1, multiply_adds=10, hops=100) == pytest.approx(10)  # 0.1 s of hops
    assert ceilings.samples_per_s(streams=4, multiply_adds=10, hops=100) == pytest.approx(40)
    assert ceilings.samples_per_s(streams=4, multiply_adds=10, hops=0) == pytest.approx(1e5)
    assert ceilings.samples_per_s(streams=1, multiply_adds=1_000_000, hops=100) == pytest.approx(1)


@pytest.mark.parametrize("device", ["cpu", "cuda:99"])
def test_what_is_no_gpu_is_refused(device):
    if device != "cpu" and torch.cuda.is_available():
        pytest.skip("there are GPUs here")
    with pytest.raises(DeviceError, match=device):
        measure_gpu(device)
