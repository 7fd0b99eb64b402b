"""Crops of notes: where they begin, their level, their corrupted context, the phases of their partials."""

import numpy as np
import pytest
import torch

from wavecore.audio import mulaw, note_level
from wavecore.models.nsynth import data as nsynth_data
from wavecore.models.nsynth.config import NSynthConfig, NSynthTrainingConfig
from wavecore.models.nsynth.data import Crops
from wavecore.nn.config import EncoderConfig, WaveNetConfig
from wavecore.training import augmentation

HOP, FRAMES, CONTEXT = 160, 4, 2
N = FRAMES * HOP
MARGIN = CONTEXT * HOP
ENCODER = EncoderConfig("waveform", 4, HOP)
PLAIN = {"transpose_semitones": 0.0, "context_noise_probability": 0.0, "context_dropout_probability": 0.0}


def crops(dataset, *, harmonics=0, **training):
    channels, hop = (5 + 2 * harmonics, 1) if harmonics else (4, HOP)
    decoder = WaveNetConfig(1, 5, 2, 8, 8, 8, 16, latent_channels=channels, hop_length=hop)
    config = NSynthConfig(ENCODER, decoder, harmonics=harmonics)
    settings = NSynthTrainingConfig(**{"crop_frames": FRAMES, **training})
    return Crops(dataset, config, settings, context_frames=CONTEXT)


def draw(dataset, n_crops, *, seed=0, harmonics=0, **training):
    """Draw training crops."""
    drawn = crops(dataset, harmonics=harmonics, **training)
    return drawn.draw(np.random.default_rng(seed), "train", n_crops, augment=True)


def places(dataset, batch, split):
    """Find the note and the begin of every crop by its codes."""
    found = []
    for codes, pitch in zip(batch.codes.numpy().astype(np.uint8), batch.pitches.tolist(), strict=True):
        matches = []
        for row, note in enumerate(dataset.notes(split)):
            if note.pitch == pitch:
                x = note_level.level(mulaw.decode(np.array(dataset.codes(split)[row])), nsynth_data.LEVEL_DB)
                padded = np.pad(mulaw.encode(x), N, constant_values=mulaw.SILENCE).tobytes()
                place = padded.find(codes.tobytes())
                matches += [(row, place - N)] * (place >= 0)
        assert len(matches) == 1, matches
        found += matches
    return found


def test_a_batch_has_its_shapes_and_ranges(notes):
    batch = draw(notes, 3)
    assert batch.audio.shape == (3, N + 2 * MARGIN)
    assert batch.audio.dtype == torch.float32 and float(batch.audio.abs().max()) <= 1
    for codes in (batch.codes, batch.context):
        assert codes.shape == (3, N) and codes.dtype == torch.int64
        assert int(codes.min()) >= 0 and int(codes.max()) < 256
    assert set(batch.pitches.tolist()) <= {57, 60, 64, 67, 72} and batch.f0_hz.shape == (3, 1)
    assert batch.phase.shape == batch.offsets.shape == (3, 0)
    assert not torch.equal(batch.audio, draw(notes, 3, seed=1).audio)


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_codes_are_the_middle_of_the_audio_and_beyond_the_note_is_silence(notes, split):
    batch = crops(notes, transpose_semitones=0.5).draw(np.random.default_rng(0), split, 40, augment=False)
    assert np.array_equal(mulaw.encode(batch.audio[:, MARGIN:-MARGIN].numpy()), batch.codes.numpy())
    assert torch.equal(batch.context, batch.codes)
    for x, (row, begin) in zip(batch.audio.numpy(), places(notes, batch, split), strict=True):
        note = note_level.level(mulaw.decode(np.array(notes.codes(split)[row])), nsynth_data.LEVEL_DB)
        assert np.array_equal(x, np.pad(note, MARGIN + N)[begin + N :][: N + 2 * MARGIN])


@pytest.mark.slow
def test_a_fifth_of_the_crops_begins_with_the_note(notes, monkeypatch):
    monkeypatch.setattr(nsynth_data, "LEVEL_SPREAD_DB", 0.0)
    batch = draw(notes, 400, **PLAIN)
    begins = np.array([begin for _, begin in places(notes, batch, "train")])
    assert 0.14 < np.mean(begins < 0) < 0.27  # 0 itself, which such a crop may have too, is rare
    assert begins.min() >= -N // 2 and 7_000 < begins.max() <= 8_000 - N
    assert len(set(batch.pitches.tolist())) == 5


@pytest.mark.slow
def test_most_crops_begin_while_the_key_is_held(make_notes, tmp_path, monkeypatch):
    monkeypatch.setattr(nsynth_data, "LEVEL_SPREAD_DB", 0.0)
    long = make_notes(tmp_path / "long", pitches={"train": (60,), "valid": (62,)}, n_samples=64_000)
    begins = np.array([begin for _, begin in places(long, draw(long, 200, **PLAIN), "train")])
    assert 0.005 < np.mean(begins >= 48_000) < 0.1  # a quarter of 15 %


@pytest.mark.parametrize(
    ("corruption", "silenced"),
    [
        ({"context_noise_probability": 1.0}, False),
        ({"context_tone_probability": 1.0}, False),
        ({"context_dropout_probability": 1.0}, True),
    ],
)
def test_the_context_of_training_crops_is_corrupted_and_the_target_is_not(notes, corruption, silenced):
    batch, plain = draw(notes, 20, **PLAIN | corruption), draw(notes, 20, **PLAIN)
    assert torch.equal(plain.context, plain.codes)
    assert torch.equal(mulaw_of(batch), batch.codes)
    changed = batch.context != batch.codes
    assert changed.any(dim=1).float().mean() > 0.5  # some tones are below a step of the codes
    if silenced:
        assert (batch.context[changed] == mulaw.SILENCE).all()


def mulaw_of(batch):
    return torch.from_numpy(mulaw.encode(batch.audio[:, MARGIN:-MARGIN].numpy())).long()


def test_a_crop_is_detuned_as_a_whole(make_notes, tmp_path, monkeypatch):
    a4 = make_notes(tmp_path / "n", pitches={"train": (69,), "valid": (69,)}, n_samples=16_000)
    detunings, genuine = [], augmentation.tape_positions

    def record(n_samples, *, semitones):
        detunings.append(semitones)
        return genuine(n_samples, semitones=semitones)

    monkeypatch.setattr(augmentation, "tape_positions", record)
    batch = draw(a4, 12, crop_frames=40, transpose_semitones=3.0)
    assert len(detunings) == 12 and all(a == b and abs(a) <= 3 for a, b in detunings)
    assert max(a for a, _ in detunings) > 1 and min(a for a, _ in detunings) < -1
    for x, (detuning, _) in zip(batch.audio.numpy(), detunings, strict=True):
        x = x[MARGIN + 1600 : -MARGIN - 1600]  # where every crop has sound
        peak_hz = np.abs(np.fft.rfft(x * np.hanning(len(x)), 64_000)).argmax() / 4
        assert peak_hz == pytest.approx(440 * 2 ** (detuning / 12), abs=6)


def test_a_crop_as_long_as_a_note_may_be_read_faster(notes):
    # Detuned upwards, such a note ends before the crop.
    assert draw(notes, 40, crop_frames=8_000 // HOP, transpose_semitones=3.0).codes.shape == (40, 8_000)


def test_notes_are_brought_to_one_level_and_training_varies_it(notes):
    levels = [note_level.loud_db(x[MARGIN:-MARGIN]) for x in draw(notes, 60, **PLAIN).audio.numpy()]
    assert max(levels) - min(levels) > nsynth_data.LEVEL_SPREAD_DB
    # A crop may lie in a note's tail, and its loudest part may be louder than the note's loud part as a whole.
    assert abs(np.median(levels) - nsynth_data.LEVEL_DB) < 4
    assert max(levels) < nsynth_data.LEVEL_DB + nsynth_data.LEVEL_SPREAD_DB + 3


@pytest.mark.slow
def test_most_silent_crops_are_drawn_again(make_notes, tmp_path, monkeypatch):
    plucked = make_notes(tmp_path / "n", pitches={"train": (60,), "valid": (62,)}, n_samples=64_000)
    codes = plucked.codes("train").copy()
    codes[:, 16_000:] = mulaw.SILENCE  # silent for three of its four seconds
    monkeypatch.setattr(plucked, "codes", lambda split: codes)

    def silent(kept):
        monkeypatch.setattr(nsynth_data, "SILENT_KEPT", kept)
        return float((draw(plucked, 200, **PLAIN).codes == mulaw.SILENCE).all(dim=1).float().mean())

    assert silent(1.0) > 0.4 and silent(0.2) < 0.35


@pytest.mark.parametrize("augment", [True, False])
def test_oscillator_and_partials_run_in_phase_with_the_target(notes, augment):
    drawn = crops(notes, harmonics=3, transpose_semitones=0.5)
    batch = drawn.draw(np.random.default_rng(0), "train", 30, augment=augment)
    assert batch.phase.shape == (30, N) and batch.phase.dtype == torch.float32
    assert batch.offsets.shape == (30, N, 64) and batch.offsets.dtype == torch.float32
    assert 0 <= float(batch.phase.min()) <= float(batch.phase.max()) <= 2 * np.pi + 1e-5
    semitones = 12 * torch.log2(batch.f0_hz[:, 0] / 440) + 69 - batch.pitches
    assert float(semitones.abs().max()) <= 0.5 * augment + 1e-4
    # The target's partials, multiplied by the oscillator's conjugate, stand still with an angle of zero.
    target = torch.from_numpy(mulaw.decode(batch.codes.numpy()))
    sounding = slice(N // 4, None)
    for k in (1, 2):
        pointers = (target * torch.exp(-1j * (k * batch.phase + batch.offsets[..., k - 1])))[:, sounding].mean(dim=1)
        loud = pointers.abs() > 1e-2
        assert int(loud.sum()) > 10 and float(pointers[loud].angle().abs().median()) < 0.15, k
