"""The machine's ceilings, and the arithmetic of the bound."""

import pytest

from wavecore.errors import UsageError
from wavecore.kernels.cpu.native import library_path
from wavecore.kernels.cpu.roofline import Ceilings, measure_ceilings, read_speeds

built = pytest.mark.skipif(library_path() is None, reason="the native kernel was not built: no C compiler")


def test_the_bound_is_the_slower_of_reading_and_computing():
    ceilings = Ceilings(n_bytes=1000, bytes_per_s=1e6, multiply_adds_per_s=1e6, dots_per_s=4e6)
    assert ceilings.samples_per_s(streams=1, reads=1, multiply_adds=10) == pytest.approx(1000)  # 1 ms of reading
    assert ceilings.samples_per_s(streams=8, reads=1, multiply_adds=10) == pytest.approx(8000)  # shared by eight
    assert ceilings.samples_per_s(streams=8, reads=8, multiply_adds=10) == pytest.approx(1000)
    assert ceilings.samples_per_s(streams=8, reads=1, multiply_adds=1000) == pytest.approx(1000)  # 8 ms of arithmetic
    whole = ceilings.samples_per_s(streams=8, reads=1, multiply_adds=1000, whole_numbers=True)
    assert whole == pytest.approx(4000)


@pytest.mark.slow
@built
@pytest.mark.parametrize("isa", [None, "portable"])
def test_a_machine_is_measured(isa):
    ceilings = measure_ceilings(1 << 15, isa=isa)
    assert ceilings.n_bytes == 1 << 15
    assert min(ceilings.bytes_per_s, ceilings.multiply_adds_per_s, ceilings.dots_per_s) > 0


@built
def test_each_size_has_its_speed():
    speeds = read_speeds((1 << 14, 1 << 16))
    assert list(speeds) == [1 << 14, 1 << 16] and min(speeds.values()) > 0


def test_tiny_working_sets_are_refused():
    with pytest.raises(UsageError, match="100 "):
        measure_ceilings(100)
