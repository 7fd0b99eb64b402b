"""Banks made of a data set of notes, and the accuracy of their pitches."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.audio import mulaw, note_level
from wavecore.errors import InputError, UsageError
from wavecore.rendering import bank as banks
from wavecore.rendering import bank_build
from wavecore.rendering.bank_build import Source, keep_accurate, make, pitch_accuracy


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, make_notes):
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=4 * 16_000)


@pytest.mark.slow
def test_notes_are_encoded_at_their_pitch_and_level(noter, dataset):
    progress = []
    sources = {"pipe": Source("flute_acoustic_000", 73), "box": Source("organ_electronic_001")}
    bank = make(noter, dataset, sources, every=5, on_progress=lambda *done: progress.append(done))
    assert set(bank.instruments) == {"pipe", "box"} and progress == [(1, 2), (2, 2)]
    pipe = bank.instruments["pipe"]
    assert (pipe.program, pipe.source, bank.instruments["box"].program) == (73, "flute_acoustic_000", None)
    assert pipe.pitches.tolist() == [57, 62, 67, 72], "every fifth of what there is, and the highest"
    assert (bank.held_frames, bank.frame_s, bank.model_sha256) == (94, 0.032, noter.sha256)
    assert pipe.latents.shape == (4, 125, 16)
    split, row = next(
        (split, row)
        for split in dataset.splits
        for row, note in enumerate(dataset.notes(split))
        if (note.pitch, note.instrument_str) == (62, "flute_acoustic_000")
    )
    sound = note_level.level(mulaw.decode(np.array(dataset.codes(split)[row])), -20.0)
    with torch.inference_mode():
        latent = noter.network.encode(torch.from_numpy(sound)[None], torch.tensor([[62.0]]))[0, :, :-1]
    np.testing.assert_allclose(pipe.latents[1], latent.numpy(), atol=1e-4)


def test_banks_that_cannot_be_made(noter, nsynth_without_pitch, dataset, tmp_path, make_notes):
    sources = {"pipe": Source("flute_acoustic_000")}
    with pytest.raises(UsageError, match="0 instruments"):
        make(noter, dataset, {})
    with pytest.raises(UsageError, match="0 semitones"):
        make(noter, dataset, sources, every=0)
    with pytest.raises(UsageError, match="plain"):
        make(nsynth_without_pitch, dataset, sources)
    with pytest.raises(InputError, match="'tuba'.*flute_acoustic_000, organ_electronic_001"):
        make(noter, dataset, {"low": Source("tuba")})
    with pytest.raises(InputError, match="8000 Hz.*16000 Hz"):
        make(noter, make_notes(tmp_path / "slow", sample_rate=8_000), sources)
    with pytest.raises(UsageError, match="x is 128"):
        Source("x", 128)


@pytest.fixture(scope="module")
def shipped():
    return checkpoint.load("notes", kind="nsynth")


@pytest.mark.slow
def test_accuracy_of_shipped_notes_and_of_noise(shipped, monkeypatch):
    """The lowest and the highest note of two shipped instruments, and latents unlike those of any sound."""
    monkeypatch.setattr(bank_build, "CHECKED_S", 0.5)
    monkeypatch.setattr(bank_build, "TRIES", 1)
    bank = banks.for_model(shipped)
    ends = {}
    for name in ("flute", "piano"):
        one = bank.instruments[name]
        ends[name] = replace(one, pitches=one.pitches[[0, -1]], latents=one.latents[[0, -1]])
    noise = np.random.default_rng(0).normal(0, 30, ends["flute"].latents[:1].shape).astype(np.float32)
    flute = ends["flute"]
    latents, pitches = np.concatenate([noise, flute.latents]), np.array([flute.pitches[0] - 4, *flute.pitches])
    ends["flute"] = replace(flute, latents=latents, pitches=pitches)
    bank, progress = replace(bank, instruments=ends), []
    accuracies = pitch_accuracy(
        shipped, bank, temperature=shipped.temperature, on_progress=lambda *done: progress.append(done)
    )
    assert progress == [(1, 2), (2, 2)]
    assert accuracies["flute"][0] < 0.5
    clear = np.concatenate([accuracies["flute"][1:], accuracies["piano"]])
    # Another machine rounds differently, and so samples differently.
    assert (clear > 0.6).all() and clear.mean() > 0.9
    kept = keep_accurate(bank, accuracies, least=0.5)
    assert kept.instruments["flute"].pitches.tolist() == pitches[1:].tolist()
    np.testing.assert_array_equal(kept.instruments["flute"].latents, latents[1:])


def small(bank, **pitches):
    """A bank of instruments with the given pitches."""
    one = bank.instruments["pipe"]
    some = {
        name: replace(one, pitches=np.array(midi), latents=np.resize(one.latents, (len(midi), 7, 16)))
        for name, midi in pitches.items()
    }
    return replace(bank, instruments=some)


def test_inaccurate_notes_are_left_out(bank):
    bank = small(bank, flute=[60, 64, 68], piano=[60, 72])
    accuracies = {"flute": np.array([0.2, 0.95, 1.0]), "piano": np.array([0.1, 0.5])}
    kept = keep_accurate(bank, accuracies)
    assert kept.instruments["flute"].pitches.tolist() == [64, 68]
    assert kept.instruments["piano"].pitches.tolist() == [60, 72], "all where none is accurate"
    assert accuracies["piano"].tolist() == [0.1, 0.5] and len(bank.instruments["flute"].pitches) == 3
    assert keep_accurate(bank, accuracies, least=0).ranges() == bank.ranges()
    assert (kept.held_frames, kept.origin, kept.model_sha256) == (bank.held_frames, bank.origin, bank.model_sha256)


@pytest.mark.parametrize(
    ("accurate", "kept"),
    [
        ([1, 0, 1, 1, 1], [48, 56, 60, 64]),
        ([1, 0, 0, 1, 1], [60, 64]),
        ([1, 1, 0, 0, 0], [48, 52]),
        ([1, 0, 0, 0, 1], [64]),
        ([0, 0, 1, 0, 1], [56, 64]),
    ],
)
def test_nothing_is_kept_below_a_wide_hole(bank, accurate, kept):
    bank = small(bank, flute=[48, 52, 56, 60, 64])
    found = keep_accurate(bank, {"flute": np.array(accurate, np.float64)})
    assert found.instruments["flute"].pitches.tolist() == kept


def test_accuracies_that_do_not_fit(bank, nsynth_without_pitch):
    bank = small(bank, flute=[60, 64])
    for accuracies, n in (({"flute": np.ones(1)}, 1), ({}, 0)):
        with pytest.raises(UsageError, match=f"flute has 2 notes and {n}"):
            keep_accurate(bank, accuracies)
    with pytest.raises(UsageError, match=r"1\.5"):
        keep_accurate(bank, {"flute": np.ones(2)}, least=1.5)
    with pytest.raises(UsageError, match="plain"):
        pitch_accuracy(nsynth_without_pitch, bank, temperature=1.0)
