"""Generation of a WaveNet's samples, as fast as each machine allows.

Every backend is a class that follows `wavecore.kernels.interface.Generator` and takes a
`wavecore.kernels.packing.PackedWaveNet`: `reference` is the specification, in PyTorch; `cpu` has a kernel in C and one
for numba, `triton` three for GPUs, among which `gpu` chooses.  Nothing is imported here, so that a machine without a
backend's compiler can use the others.
"""
