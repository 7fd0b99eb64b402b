"""Generation of a WaveNet's samples, as fast as each machine allows.

Every backend is a class that follows `wavecore.kernels.interface.Generator` and
takes a `wavecore.kernels.packing.PackedWaveNet`:

- `wavecore.kernels.reference.ReferenceGenerator`: PyTorch, the specification;
- `wavecore.kernels.cpu.numba.NumbaGenerator`: compiled loops on a CPU.

Nothing is imported here, so that a machine without a backend's compiler can use
the others.
"""
