"""Random configurations, batches, chunkings, seeds and cancellations, against the reference, for minutes on end.

Every round draws a network and its generators.  In float32 a generator must agree
with the reference teacher-forced, and in every other format of the weights by what
that format rounds; the same streams generated in other batches,
chunks and thread counts must be the same bytes; generators are dropped halfway,
as a listener who stops would.  Memory must stay flat.

    python -P benchmarks/stress_generation.py --minutes 10
"""

from __future__ import annotations

import argparse
import gc
import os
import time

import numpy as np

from wavecore import benchmark as measure
from wavecore.nn import generate
from wavecore.nn.config import WaveNetConfig

TOLERANCE = 2e-5


def main() -> None:
    arguments = _arguments()
    backends = [name for name in generate.available_backends("cpu") if name != "reference"]
    rng = np.random.default_rng(arguments.seed)
    end, rounds, worst, memory = time.monotonic() + 60 * arguments.minutes, 0, 0.0, []
    while time.monotonic() < end:
        seed = int(rng.integers(2**31))
        try:
            worst = max(worst, stress(np.random.default_rng(seed), backends[rounds % len(backends)]))
        except Exception as error:
            raise SystemExit(f"round {rounds}, seed {seed}: {type(error).__name__}: {error}") from error
        rounds += 1
        if rounds % 20 == 0:
            gc.collect()
            memory.append(resident_bytes())
            print(f"{rounds} rounds, largest error {worst:.1e}, {memory[-1] / 1e6:.0f} MB", flush=True)
    print(f"{rounds} rounds, no difference; largest logit error {worst:.1e} of the largest logit")
    if len(memory) >= 4:
        quarter = len(memory) // 4
        grown = np.median(memory[-quarter:]) - np.median(memory[quarter : 2 * quarter])
        print(f"memory from the second quarter to the last: {grown / 1e6:+.1f} MB")
        if grown > 50e6:
            raise SystemExit("memory grows")


def stress(rng: np.random.Generator, backend: str) -> float:
    """One round.

    Parameters
    ----------
    rng : numpy.random.Generator
        Decides everything.
    backend : str

    Returns
    -------
    float
        The largest logit error against the reference, relative to the largest logit.

    Raises
    ------
    AssertionError
        If anything differs.
    """
    config = random_config(rng)
    state = measure.random_state(config, seed=int(rng.integers(2**31)))
    batch, n_samples = int(rng.integers(1, 12)), int(rng.integers(20, 160))
    n_frames = -(-n_samples // config.hop_length)
    latent = rng.standard_normal((batch, n_frames, config.latent_channels)).astype(np.float32)
    error = _forced_error(rng, backend, state, config, latent, min(n_samples, 60))
    assert error <= TOLERANCE, f"logit error {error:.2g} with {config}, batch {batch}"
    dtype = str(rng.choice(generate.DTYPES[backend]))
    narrow = _forced_error(rng, backend, state, config, latent, min(n_samples, 60), dtype)
    assert narrow <= measure.TOLERANCES[dtype], f"logit error {narrow:.2g} in {dtype} with {config}, batch {batch}"
    seed, temperature = int(rng.integers(2**63)), float(rng.choice([0.0, 0.6, 1.0, 1.7]))
    streams = rng.permutation(1000)[:batch].tolist()
    options = {"seed": seed, "temperature": temperature, "backend": backend, "dtype": dtype}
    whole = _generate(state, config, latent, streams, [n_samples], threads=1, **options)
    threads = int(rng.integers(1, (os.cpu_count() or 1) + 2))
    chunked = _generate(state, config, latent, streams, _chunks(rng, n_samples), threads=threads, **options)
    assert np.array_equal(whole, chunked), f"chunks or threads changed samples: {config}, {options}"
    one = int(rng.integers(batch))
    alone = _generate(
        state,
        config,
        latent[one : one + 1],
        streams[one : one + 1],
        _chunks(rng, n_samples),
        threads=threads,
        **options,
    )
    assert np.array_equal(whole[one : one + 1], alone), f"the batch changed a stream: {config}, {options}"
    _cancel(rng, state, config, latent, streams, threads, options)
    return error


def random_config(rng: np.random.Generator) -> WaveNetConfig:
    """Draw sizes that nobody would choose.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    WaveNetConfig
    """

    def odd(most: int) -> int:
        return int(rng.integers(1, most))

    return WaveNetConfig(
        dilation_cycles=odd(4), layers_per_cycle=odd(6), kernel_size=odd(4), residual_channels=odd(140),
        gate_channels=odd(140), skip_channels=odd(140), head_channels=odd(140), latent_channels=odd(20),
        n_classes=int(rng.integers(2, 257)), hop_length=odd(50),
    )  # fmt: skip


def _forced_error(rng, backend, state, config, latent, n_samples: int, dtype: str = "float32") -> float:
    """Teacher-forced, a backend beside the float64 reference."""
    codes = rng.integers(0, config.n_classes, (len(latent), n_samples)).astype(np.uint8)
    logits = []
    for name, kept in (("reference", "float64"), (backend, dtype)):
        generator = generate.open_generator(state, config, batch=len(latent), seed=0, backend=name, dtype=kept)
        generator.feed(latent)
        logits.append(generator.force(codes).astype(np.float64))
    return float(np.abs(logits[1] - logits[0]).max() / max(1.0, np.abs(logits[0]).max()))


def _generate(state, config, latent, streams, chunks: list[int], **options) -> np.ndarray:
    generator = generate.open_generator(state, config, batch=len(latent), streams=streams, **options)
    generator.feed(latent)
    return np.concatenate([generator.generate(n) for n in chunks], axis=1)


def _chunks(rng: np.random.Generator, n_samples: int) -> list[int]:
    """Cut a length at random places."""
    cuts = np.unique(rng.integers(0, n_samples + 1, int(rng.integers(1, 6))))
    return np.diff([0, *cuts.tolist(), n_samples]).tolist()


def _cancel(rng, state, config, latent, streams, threads: int, options) -> None:
    """Begin, and stop listening."""
    generator = generate.open_generator(state, config, batch=len(latent), streams=streams, threads=threads, **options)
    blocks = generate.generate_blocks(generator, latent, block_samples=int(rng.integers(1, 30)))
    next(blocks)
    blocks.close()


def resident_bytes() -> int:
    """Tell how much memory this process holds now.

    Returns
    -------
    int
        Bytes.
    """
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
