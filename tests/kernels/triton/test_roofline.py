"""A GPU's ceilings: the arithmetic of the bound here, the measurement where there is a GPU."""

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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_is_measured():
    ceilings = measure_gpu("cuda:0")
    assert min(ceilings.copy_bytes_per_s, ceilings.multiply_adds_per_s, ceilings.hop_s) > 0
