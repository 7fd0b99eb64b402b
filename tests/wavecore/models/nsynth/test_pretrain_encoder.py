"""An encoder is taught conditions, spectra and pitches, without a decoder."""

import copy
import math
from dataclasses import astuple, replace

import numpy as np
import pytest
import torch

from wavecore.audio import mulaw, note_level
from wavecore.errors import UsageError
from wavecore.models.nsynth import pretrain_encoder
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.nsynth.pretrain_encoder import BATCH, FRAMES, Spectra, draw_crops, spectra_of, teach
from wavecore.nn.encoders import EncoderConfig, shift_bins
from wavecore.nn.wavenet import WaveNetConfig
from wavecore.training import augmentation

HOP = 200


@pytest.fixture
def network():
    encoder = EncoderConfig("cqt", 4, HOP, channels=12, n_bins=96, fmin_hz=130.8)
    decoder = WaveNetConfig(1, 3, 2, 4, 4, 4, 8, latent_channels=6, hop_length=HOP)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return NSynthNetwork(NSynthConfig(encoder, decoder, condition_channels=6))


@pytest.fixture
def lessons(notes, network):
    return spectra_of(notes, network.encoder, level_db=-20)


def zero(spectra):
    return torch.zeros(len(spectra), spectra.shape[2] - 4, 6)


def run(network, lessons, wanted=zero, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return teach(network, lessons, wanted, torch.ones(6), **settings)


def test_spectra_are_the_encoder_s_of_notes_at_the_level(notes, network, lessons):
    assert lessons.spectra.dtype == torch.float16 and lessons.spectra.shape == (10, 96, 8_000 // HOP + 4)
    assert lessons.pitches.tolist() == [note.pitch for note in notes.notes("train")]
    sound = note_level.level(mulaw.decode(np.array(notes.codes("train")[3])), -20)
    margin = network.encoder.context_frames * HOP
    with torch.no_grad():
        wanted = network.encoder.spectrum(torch.nn.functional.pad(torch.from_numpy(sound)[None], (margin, margin)))
    assert torch.allclose(lessons.spectra[3].float(), wanted[0, :, : 8_000 // HOP + 4], atol=1e-3)


def test_fewer_notes_are_spread_over_all(notes, network, lessons):
    few = spectra_of(notes, network.encoder, level_db=-20, n_notes=3)
    assert few.pitches.tolist() == [lessons.pitches[i].item() for i in (0, 4, 9)]


def test_notes_shorter_than_a_crop_are_refused(make_notes, network, tmp_path):
    short = make_notes(tmp_path / "short", n_samples=FRAMES * HOP - 1)
    with pytest.raises(UsageError, match=f"2399 samples are shorter than {FRAMES} frames of 200"):
        spectra_of(short, network.encoder, level_db=-20)


def test_crops_are_the_generator_s(lessons):
    first, again, other = (
        draw_crops(lessons, torch.Generator().manual_seed(seed), bins_per_octave=24) for seed in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("bins_per_octave", [12, 24, 30])
def test_moved_crops_are_other_pitches(lessons, monkeypatch, bins_per_octave):
    for name in ("COLOUR_SHARE", "NOISE_FLOOR_SHARE", "SPECTRUM_GAIN_DB"):
        monkeypatch.setattr(augmentation, name, 0.0)
    monkeypatch.setattr(pretrain_encoder, "SHIFTED", 1.0)
    named = Spectra(lessons.spectra[:1], torch.tensor([60]))
    clean, heard, pitches = draw_crops(named, torch.Generator().manual_seed(0), bins_per_octave=bins_per_octave)
    assert torch.equal(clean, heard) and clean.shape == (BATCH, 96, FRAMES + 4)
    # 30 bins an octave have no whole number for a semitone.
    assert set(pitches.tolist()) == ({60} if bins_per_octave == 30 else set(range(57, 64)))
    windows = lessons.spectra[0].float().unfold(1, FRAMES + 4, 1)  # (n_bins, begins, frames)
    for crop, pitch in zip(clean, pitches.tolist(), strict=True):
        shift = torch.full((windows.shape[1],), (pitch - 60) * (bins_per_octave // 12))
        moved = shift_bins(windows.transpose(0, 1), shift)
        assert bool((moved == crop).flatten(1).all(dim=1).any())


def test_a_floor_covers_some_crops_and_only_the_quiet_in_them(lessons, monkeypatch):
    clean, heard, _ = draw_crops(lessons, torch.Generator().manual_seed(0), bins_per_octave=24, n_crops=400)
    covered = (heard != clean).flatten(1).any(dim=1)
    assert 0.3 < covered.float().mean() < 0.5
    assert bool((heard >= clean).all()) and float(heard.max()) <= 1
    monkeypatch.setattr(augmentation, "NOISE_FLOOR_SHARE", 0.0)
    bare, same, _ = draw_crops(lessons, torch.Generator().manual_seed(0), bins_per_octave=24, n_crops=400)
    assert torch.equal(bare, clean) and torch.equal(same, clean)


def test_colour_leaves_silence_silent_and_is_smooth(lessons, monkeypatch):
    monkeypatch.setattr(pretrain_encoder, "SHIFTED", 0.0)
    for name in ("NOISE_FLOOR_SHARE", "SPECTRUM_GAIN_DB"):
        monkeypatch.setattr(augmentation, name, 0.0)
    monkeypatch.setattr(augmentation, "COLOUR_SHARE", 1.0)
    flat = Spectra(torch.full((1, 96, FRAMES + 4), 0.5, dtype=torch.float16), torch.tensor([60]))
    flat.spectra[:, :5] = 0
    clean, _, _ = draw_crops(flat, torch.Generator().manual_seed(0), bins_per_octave=24)
    assert float(clean[:, :5].abs().max()) == 0
    coloured = clean[:, 5:, 0] - 0.5
    assert 0.02 < float(coloured.std()) < 0.06  # 4 dB of 80, less between the points
    assert float(coloured.diff(dim=1).abs().max()) < 0.02


def test_pitches_are_learnt_and_the_decoder_is_left_alone(network, lessons):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    first = run(copy.deepcopy(network), lessons, steps=5)
    missed = run(network, lessons, steps=300)
    assert missed.pitch < 0.5 < 0.8 < first.pitch
    assert missed.spectrum < 0.6 * first.spectrum
    after = network.state_dict()
    moved = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert moved == {"encoder", "expansion"}


def test_conditions_are_approached_in_units_of_their_spread(network, lessons):
    source = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in source.expansion.linear.parameters():
            parameter += 0.5

    def wanted(spectra):
        return source.condition(source.encoder.encode_spectrum(spectra))

    first, last = (run(copy.deepcopy(network), lessons, wanted, steps=steps).condition for steps in (2, 300))
    assert last < 0.7 * first
    with torch.random.fork_rng():
        torch.manual_seed(4)
        wide = teach(copy.deepcopy(network), lessons, wanted, torch.full((6,), 10.0), steps=2).condition
    assert wide == pytest.approx(first / 100, rel=0.01)


def test_a_condition_that_never_moves_does_not_outweigh_the_rest(network, lessons):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        missed = teach(network, lessons, zero, torch.zeros(6), steps=3)
    assert math.isfinite(missed.condition)
    assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())


def test_without_steps_nothing_changes(network, lessons):
    before = copy.deepcopy(network.state_dict())
    missed = run(network, lessons, steps=0)
    assert all(math.isnan(value) for value in astuple(missed))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_silence_has_no_pitch_to_name(network, lessons):
    silent = Spectra(torch.zeros_like(lessons.spectra), lessons.pitches)
    assert run(network, silent, steps=2).pitch == 0


# An encoder beside an oscillator, which is taught timbre


@pytest.fixture
def driven(network):
    decoder = replace(network.config.decoder, latent_channels=6 + 4, hop_length=1)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return NSynthNetwork(replace(network.config, decoder=decoder, harmonics=2))


def test_levels_are_read_where_the_partials_lie(network):
    config = network.config.encoder
    pitch = 60
    at = [round(24 * math.log2(440 * 2 ** ((pitch - 69) / 12) * k / 130.8)) for k in (1, 2, 3)]
    spectrum = torch.zeros(2, 96, 5)
    spectrum[0, at[0]], spectrum[0, at[1] + 1], spectrum[0, at[2] - 1], spectrum[0, at[0] + 4] = 0.9, 0.5, 0.4, 1.0
    spectrum[1] = 0.7
    found = pretrain_encoder.levels_of(spectrum, torch.tensor([pitch, 71]), config)
    assert found.shape == (2, 5, 16)
    torch.testing.assert_close(found[0, 3, :4], torch.tensor([0.9, 0.5, 0.4, 0.0]))
    # Four octaves above C3 the bins end: the fourth partial of B4 lies just below.
    assert found[1, 0].tolist() == pytest.approx([0.7] * 4 + [0.0] * 12)


def test_partials_below_the_lowest_bin_are_silent(network):
    found = pretrain_encoder.levels_of(torch.ones(1, 96, 1), torch.tensor([36]), network.config.encoder)
    assert found[0, 0, :3].tolist() == [0, 1, 1]


def test_timbre_is_learnt_and_the_pitch_left_beside_it(driven, lessons):
    before = {name: tensor.clone() for name, tensor in driven.state_dict().items()}
    first = run(copy.deepcopy(driven), lessons, steps=5)
    missed = run(driven, lessons, steps=300)
    assert missed.levels < 0.5 * first.levels and missed.spectrum < 0.6 * first.spectrum
    assert missed.pitch == first.pitch == 0
    moved = {
        name.split(".")[0] for name, tensor in driven.state_dict().items() if not torch.equal(tensor, before[name])
    }
    assert moved == {"encoder", "expansion", "levels"}


def test_a_transposed_spectrum_is_the_same_timbre(driven, lessons, monkeypatch):
    heard, read = [], driven.encoder.encode_spectrum
    monkeypatch.setattr(driven.encoder, "encode_spectrum", lambda spectrum: heard.append(spectrum) or read(spectrum))
    monkeypatch.setattr(pretrain_encoder, "SHIFTED", 0.0)
    for name in ("COLOUR_SHARE", "NOISE_FLOOR_SHARE", "SPECTRUM_GAIN_DB"):
        monkeypatch.setattr(augmentation, name, 0.0)
    spectrum = torch.zeros(1, 96, FRAMES + 4, dtype=torch.float16)
    spectrum[:, 30:50] = 0.5
    moved = shift_bins(spectrum, torch.tensor([14]))
    for pitch, sound in ((53, spectrum), (60, moved)):
        run(driven, Spectra(sound, torch.tensor([pitch])), steps=1)
    low, high = (each[:, :, 0].argmax(dim=1) for each in heard)
    # Both begin at bin 30 - 2 * (53 - 48), or a bin beside it.
    assert set(low.tolist()) == set(high.tolist()) == {19, 20, 21}
