"""The contract of `Generator`, held against every backend."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from wavecore.errors import ModelError
from wavecore.kernels.base import BaseGenerator
from wavecore.kernels.cpu.numba import NumbaGenerator
from wavecore.kernels.interface import Generator
from wavecore.kernels.packing import pack
from wavecore.kernels.reference import ReferenceGenerator

NAMES = ["odd", "kernel3", "even", "few"]


@pytest.fixture(params=[ReferenceGenerator, NumbaGenerator], ids=["reference", "numba"])
def backend(request):
    return request.param


def started(backend, packed, latent, **options):
    generator = backend(packed, **{"batch": len(latent), "seed": 5, **options})
    generator.feed(latent)
    return generator


def random_codes(packed, batch, n_samples, seed=0):
    return np.random.default_rng(seed).integers(0, packed.n_classes, (batch, n_samples)).astype(np.uint8)


def test_backends_follow_the_protocol(backend, new_packed):
    assert isinstance(backend(new_packed("few"), batch=1, seed=0), Generator)
    shared = list(inspect.signature(BaseGenerator).parameters)
    assert list(inspect.signature(backend).parameters)[: len(shared)] == shared


def test_something_else_does_not():
    class Deaf:
        position = available = 0

        def generate(self, n_samples):
            return None

    assert not isinstance(Deaf(), Generator)


@pytest.mark.parametrize("name", NAMES)
def test_chunks_never_change_the_result(backend, name, new_packed, new_latent):
    packed = new_packed(name)
    latent = new_latent(packed, 2, 60)
    whole = started(backend, packed, latent).generate(60)
    parts = backend(packed, batch=2, seed=5)
    chunks, fed = [], 0
    for n in (1, 1, 5, 0, 13, 2, 31, 7):  # boundaries on frames and inside them, frames fed as late as can be
        need = -(-(parts.position + n) // packed.hop_length)
        parts.feed(latent[:, fed:need])
        fed = max(fed, need)
        chunks.append(parts.generate(n))
    np.testing.assert_array_equal(np.concatenate(chunks, axis=1), whole)


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_is_the_same_alone_and_in_any_batch(backend, name, new_packed, new_latent):
    packed = new_packed(name)
    latent = new_latent(packed, 5, 40)
    streams = [7, 0, 2**50, 3, 9]
    codes = random_codes(packed, 5, 40)
    together = started(backend, packed, latent, streams=streams).generate(40)
    logits = started(backend, packed, latent).force(codes)
    for rows in ([0], [2], [4, 1], [3, 2, 0], [4, 3, 2, 1]):
        some = started(backend, packed, latent[rows], streams=[streams[b] for b in rows]).generate(40)
        np.testing.assert_array_equal(some, together[rows])
        np.testing.assert_array_equal(started(backend, packed, latent[rows]).force(codes[rows]), logits[rows])


def test_streams_and_seeds_differ(backend, new_packed, new_latent):
    packed = new_packed("even")
    latent = np.repeat(new_latent(packed, 1, 30), 3, axis=0)
    codes = started(backend, packed, latent).generate(30)
    other = started(backend, packed, latent, seed=6).generate(30)
    rows = [codes[0], codes[1], codes[2], other[0]]
    assert len({row.tobytes() for row in rows}) == 4
    np.testing.assert_array_equal(codes, started(backend, packed, latent).generate(30))


@pytest.mark.parametrize("name", NAMES)
def test_forcing_what_was_generated_leads_to_the_same_place(backend, name, new_packed, new_latent):
    packed = new_packed(name)
    latent = new_latent(packed, 2, 50)
    free, forced = started(backend, packed, latent), started(backend, packed, latent)
    codes = free.generate(33)
    forced.force(codes)
    assert (forced.position, forced.available) == (free.position, free.available)
    np.testing.assert_array_equal(forced.generate(15), free.generate(15))


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_told_beside_the_codes_and_change_none(backend, name, new_packed, new_latent):
    packed = new_packed(name)
    latent = new_latent(packed, 2, 50)
    plain, told, forced = (
        started(backend, packed, latent, **({} if i == 2 else {"temperature": 0.7})) for i in range(3)
    )
    codes, logits = told.generate(33, logits=True)
    assert logits.dtype == np.float32
    np.testing.assert_array_equal(plain.generate(33), codes)
    np.testing.assert_array_equal(
        forced.force(codes), logits, err_msg="those of the draw, not divided by the temperature"
    )
    np.testing.assert_array_equal(told.generate(15), plain.generate(15))


def test_restoring_replays(backend, new_packed, new_latent):
    packed = new_packed("kernel3")
    generator = started(backend, packed, new_latent(packed, 2, 60))
    generator.generate(23)
    state = generator.state()
    after = generator.generate(30)
    generator.restore(state)
    np.testing.assert_array_equal(generator.generate(30), after)
    generator.restore(state)
    np.testing.assert_array_equal(generator.generate(30), after)
    other = backend(packed, batch=2, seed=6)
    other.restore(state)
    assert not np.array_equal(other.generate(30), after)


@pytest.mark.parametrize("name", NAMES)
def test_logits_see_the_past_and_only_its_receptive_field(backend, name, new_packed, new_latent):
    packed = new_packed(name)
    at, n_samples = 6, 6 + packed.receptive_field + 6
    latent = new_latent(packed, 1, n_samples)
    codes = random_codes(packed, 1, n_samples)
    changed = codes.copy()
    changed[0, at] = (int(codes[0, at]) + packed.n_classes // 2) % packed.n_classes
    before, after = (started(backend, packed, latent).force(c)[0] for c in (codes, changed))
    differs = (before != after).any(axis=-1)
    assert not differs[: at + 1].any()
    assert differs[at + 1]
    assert not differs[at + packed.receptive_field + 1 :].any()
    assert name == "few" or differs[at + packed.receptive_field]


@pytest.mark.parametrize("name", ["odd", "kernel3", "even"])
def test_latent_acts_from_its_first_sample_on(backend, name, new_packed, new_latent):
    packed = new_packed(name)
    n_samples = 4 * packed.hop_length
    latent = new_latent(packed, 1, n_samples)
    moved = latent.copy()
    moved[0, 2] += 1
    codes = random_codes(packed, 1, n_samples)
    before, after = (started(backend, packed, one).force(codes)[0] for one in (latent, moved))
    differs = (before != after).any(axis=-1)
    start = 2 * packed.hop_length
    assert not differs[:start].any() and differs[start : start + packed.hop_length].all()


def test_a_network_out_of_bounds_is_an_error(backend, configs, new_state, new_latent):
    state = new_state(configs["odd"])
    state["output.weight"] *= 1e38
    packed = pack(state, configs["odd"])
    for temperature in (0, 1):
        generator = started(backend, packed, new_latent(packed, 1, 20), temperature=temperature)
        with pytest.raises(ModelError, match="logits at sample 0 are not finite"):
            generator.generate(5)
