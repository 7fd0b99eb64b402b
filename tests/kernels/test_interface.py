"""The contract of `Generator`, held against every backend."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_networks import CONFIGS, NAMES, SEED, make_state, network, random_codes, random_latent, started

from wavecore.errors import ModelError
from wavecore.kernels.cpu.native import NativeGenerator, library_path
from wavecore.kernels.cpu.numba import NumbaGenerator
from wavecore.kernels.interface import Generator
from wavecore.kernels.packing import pack
from wavecore.kernels.reference import ReferenceGenerator


@pytest.fixture(params=[ReferenceGenerator, NumbaGenerator, NativeGenerator], ids=["reference", "numba", "native"])
def backend(request):
    if request.param is NativeGenerator and library_path() is None:
        pytest.skip("the native kernel was not built: no C compiler")
    return request.param


def test_backends_follow_the_protocol(backend):
    assert isinstance(backend(network("few"), batch=1, seed=0, streams=[3], temperature=0.5), Generator)
    assert not isinstance(object(), Generator)
    with pytest.raises(TypeError, match="speed"):
        backend(network("few"), batch=1, seed=0, speed=2)


@pytest.mark.parametrize("name", NAMES)
def test_chunks_never_change_the_result(backend, name):
    packed = network(name)
    latent = random_latent(packed, 2, 40)
    whole = started(backend, packed, latent).generate(40)
    parts = backend(packed, batch=2, seed=SEED)
    chunks, fed = [], 0
    for n in (1, 1, 5, 0, 13, 2, 18):  # boundaries on frames and inside them, frames fed as late as can be
        need = -(-(parts.position + n) // packed.hop_length)
        parts.feed(latent[:, fed:need])
        fed = max(fed, need)
        chunks.append(parts.generate(n))
    np.testing.assert_array_equal(np.concatenate(chunks, axis=1), whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_stream_is_the_same_alone_and_in_any_batch(backend, name):
    packed, n = network(name), 20
    latent, codes, streams = random_latent(packed, 5, n), random_codes(packed, 5, n), [7, 0, 2**50, 3, 9]
    together = started(backend, packed, latent, streams=streams).generate(n)
    logits = started(backend, packed, latent).force(codes)
    for rows in ([2], [4, 1], [4, 3, 2, 1]):
        some = started(backend, packed, latent[rows], streams=[streams[b] for b in rows]).generate(n)
        np.testing.assert_array_equal(some, together[rows])
        np.testing.assert_array_equal(started(backend, packed, latent[rows]).force(codes[rows]), logits[rows])


@pytest.mark.slow
def test_streams_and_seeds_differ(backend):
    packed = network("even")
    latent = np.repeat(random_latent(packed, 1, 30), 3, axis=0)
    codes = started(backend, packed, latent).generate(30)
    other = started(backend, packed, latent, seed=6).generate(30)
    assert len({row.tobytes() for row in (*codes, other[0])}) == 4
    np.testing.assert_array_equal(codes, started(backend, packed, latent).generate(30))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_forcing_what_was_generated_gives_the_same_state_and_logits(backend, name):
    packed = network(name)
    latent = random_latent(packed, 2, 40)
    plain, free = (started(backend, packed, latent, temperature=0.7) for _ in range(2))
    forced = started(backend, packed, latent, temperature=0.7)
    codes, logits = free.generate(25, logits=True)
    assert logits.dtype == np.float32
    np.testing.assert_array_equal(plain.generate(25), codes)  # asking for logits changes no code
    np.testing.assert_array_equal(forced.force(codes), logits)  # not divided by the temperature
    assert (forced.position, forced.available) == (free.position, free.available)
    np.testing.assert_array_equal(forced.generate(15), free.generate(15))


@pytest.mark.slow
def test_restoring_replays(backend):
    packed = network("kernel3")
    generator = started(backend, packed, random_latent(packed, 2, 60))
    generator.generate(23)
    state = generator.state()
    after = generator.generate(30)
    for _ in range(2):
        generator.restore(state)
        assert (generator.position, generator.available) == (23, 40)
        np.testing.assert_array_equal(generator.generate(30), after)
    other = backend(packed, batch=2, seed=6)
    other.restore(state)
    assert not np.array_equal(other.generate(30), after)


@pytest.mark.parametrize("name", NAMES)
def test_logits_depend_on_their_receptive_field_and_nothing_else(backend, name):
    packed = network(name)
    at, n_samples = 6, 6 + packed.receptive_field + 6
    latent, codes = random_latent(packed, 1, n_samples), random_codes(packed, 1, n_samples)
    changed = codes.copy()
    changed[0, at] = (int(codes[0, at]) + packed.n_classes // 2) % packed.n_classes
    before, after = (started(backend, packed, latent).force(c)[0] for c in (codes, changed))
    differs = (before != after).any(axis=-1)
    assert not differs[: at + 1].any()
    assert differs[at + 1]
    assert not differs[at + packed.receptive_field + 1 :].any()
    assert name == "few" or differs[at + packed.receptive_field]


@pytest.mark.parametrize("name", ["odd", "kernel3", "even"])
def test_latent_acts_from_its_first_sample_on(backend, name):
    packed = network(name)
    n_samples = 4 * packed.hop_length
    latent, codes = random_latent(packed, 1, n_samples), random_codes(packed, 1, n_samples)
    moved = latent.copy()
    moved[0, 2] += 1
    before, after = (started(backend, packed, one).force(codes)[0] for one in (latent, moved))
    differs = (before != after).any(axis=-1)
    start = 2 * packed.hop_length
    assert not differs[:start].any() and differs[start : start + packed.hop_length].all()


@pytest.mark.parametrize("temperature", [0, 1])
def test_a_network_out_of_bounds_is_an_error(backend, temperature):
    state = make_state(CONFIGS["odd"])
    state["output.weight"] *= 1e38
    packed = pack(state, CONFIGS["odd"])
    with pytest.raises(ModelError, match="sample 0 "):
        started(backend, packed, random_latent(packed, 1, 20), temperature=temperature).generate(5)
