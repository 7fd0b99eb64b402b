"""An encoder is pretrained on conditionings, spectra and pitches, without a decoder."""

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
from wavecore.models.nsynth.pretrain_encoder import FRAMES, Spectra, draw_crops, pretrain, spectra_of
from wavecore.nn.config import EncoderConfig, WaveNetConfig
from wavecore.nn.encoders import shift_bins
from wavecore.training import augmentation

HOP = 200


@pytest.fixture(scope="module", autouse=True)
def small_batches():
    """Pretrain on fewer crops a step, faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrain_encoder, "BATCH", 8)
        patch.setattr(pretrain_encoder, "LEARNING_RATE", 3e-3)
        yield


@pytest.fixture
def network():
    encoder = EncoderConfig("cqt", 4, HOP, channels=12, n_bins=96, fmin_hz=130.8)
    decoder = WaveNetConfig(1, 3, 2, 4, 4, 4, 8, latent_channels=6, hop_length=HOP)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return NSynthNetwork(NSynthConfig(encoder, decoder, condition_channels=6))


@pytest.fixture
def driven(network):
    """With an oscillator."""
    decoder = replace(network.config.decoder, latent_channels=6 + 4, hop_length=1)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return NSynthNetwork(replace(network.config, decoder=decoder, harmonics=2))


@pytest.fixture(scope="module")
def data(notes):
    encoder = EncoderConfig("cqt", 4, HOP, channels=12, n_bins=96, fmin_hz=130.8)
    decoder = WaveNetConfig(1, 3, 2, 4, 4, 4, 8, latent_channels=4, hop_length=HOP)
    return spectra_of(notes, NSynthNetwork(NSynthConfig(encoder, decoder)).encoder, level_db=-20)


def zero(spectra):
    return torch.zeros(len(spectra), spectra.shape[2] - 4, 6)


def run(network, data, target=zero, spread=1.0, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return pretrain(network, data, target, torch.full((6,), spread), **settings)


def changed_parts(network, before):
    return {name.split(".")[0] for name, x in network.state_dict().items() if not torch.equal(x, before[name])}


def disable_variation(monkeypatch, *, shifted):
    monkeypatch.setattr(pretrain_encoder, "SHIFTED", shifted)
    for name in ("COLOUR_SHARE", "NOISE_FLOOR_SHARE", "SPECTRUM_GAIN_DB"):
        monkeypatch.setattr(augmentation, name, 0.0)


def test_spectra_are_the_encoder_s_of_notes_at_the_level(notes, network, data):
    assert data.spectra.dtype == torch.float16 and data.spectra.shape == (10, 96, 8_000 // HOP + 4)
    assert data.pitches.tolist() == [note.pitch for note in notes.notes("train")]
    sound = note_level.level(mulaw.decode(np.array(notes.codes("train")[3])), -20)
    margin = network.encoder.context_frames * HOP
    with torch.no_grad():
        expected = network.encoder.spectrum(torch.nn.functional.pad(torch.from_numpy(sound)[None], (margin, margin)))
    assert torch.allclose(data.spectra[3].float(), expected[0, :, : 8_000 // HOP + 4], atol=1e-3)
    few = spectra_of(notes, network.encoder, level_db=-20, n_notes=3)
    assert few.pitches.tolist() == [data.pitches[i].item() for i in (0, 4, 9)]


def test_notes_shorter_than_a_crop_are_refused(make_notes, network, tmp_path):
    short = make_notes(tmp_path / "short", n_samples=FRAMES * HOP - 1)
    with pytest.raises(UsageError, match="2399"):
        spectra_of(short, network.encoder, level_db=-20)


def test_crops_follow_from_the_generator(data):
    first, again, other = (
        draw_crops(data, torch.Generator().manual_seed(seed), 8, bins_per_octave=24) for seed in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("bins_per_octave", [12, 24, 30])
def test_shifted_crops_have_other_pitches(data, monkeypatch, bins_per_octave):
    disable_variation(monkeypatch, shifted=1.0)
    one = Spectra(data.spectra[:1], torch.tensor([60]))
    clean, noisy, pitches = draw_crops(one, torch.Generator().manual_seed(0), 64, bins_per_octave=bins_per_octave)
    assert torch.equal(clean, noisy) and clean.shape == (64, 96, FRAMES + 4)
    # 30 bins an octave have no whole number for a semitone.
    assert set(pitches.tolist()) == ({60} if bins_per_octave == 30 else set(range(57, 64)))
    windows = data.spectra[0].float().unfold(1, FRAMES + 4, 1)  # (n_bins, begins, frames)
    for crop, pitch in zip(clean, pitches.tolist(), strict=True):
        shift = torch.full((windows.shape[1],), (pitch - 60) * (bins_per_octave // 12))
        shifted = shift_bins(windows.transpose(0, 1), shift)
        assert bool((shifted == crop).flatten(1).all(dim=1).any())


@pytest.mark.slow
def test_pitches_are_learnt_and_the_decoder_is_left_alone(network, data):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    first = run(copy.deepcopy(network), data, steps=5)
    errors = run(network, data, steps=300)
    assert errors.pitch < 0.5 < 0.8 < first.pitch and errors.spectrum < 0.6 * first.spectrum
    assert changed_parts(network, before) == {"encoder", "expansion"}
    assert f"{errors.pitch:.0%}" in errors.describe(with_pitch=False)


@pytest.mark.slow
def test_conditionings_are_approached_in_units_of_their_spread(network, data):
    source = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in source.expansion.linear.parameters():
            parameter += 0.5

    def target(spectra):
        return source.condition(source.encoder.encode_spectrum(spectra))

    first, last = (run(copy.deepcopy(network), data, target, steps=steps).condition for steps in (2, 100))
    assert last < 0.7 * first
    wide = run(copy.deepcopy(network), data, target, 10.0, steps=2).condition
    assert wide == pytest.approx(first / 100, rel=0.01)


def test_a_constant_conditioning_does_not_outweigh_the_rest(network, data):
    assert math.isfinite(run(network, data, spread=0.0, steps=3).condition)
    assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())


def test_without_steps_nothing_changes(network, data):
    before = copy.deepcopy(network.state_dict())
    assert all(math.isnan(value) for value in astuple(run(network, data, steps=0)))
    assert changed_parts(network, before) == set()


def test_silence_has_no_pitch_to_classify(network, data):
    assert run(network, Spectra(torch.zeros_like(data.spectra), data.pitches), steps=2).pitch == 0


def test_levels_are_read_where_the_partials_lie(network):
    config, pitch = network.config.encoder, 60
    bins = [round(24 * math.log2(440 * 2 ** ((pitch - 69) / 12) * k / 130.8)) for k in (1, 2, 3)]
    spectrum = torch.zeros(2, 96, 5)
    spectrum[0, bins[0]], spectrum[0, bins[1] + 1], spectrum[0, bins[2] - 1] = 0.9, 0.5, 0.4
    spectrum[0, bins[0] + 4] = 1.0
    spectrum[1] = 0.7
    levels = pretrain_encoder.levels_of(spectrum, torch.tensor([pitch, 71]), config)
    assert levels.shape == (2, 5, 16)
    torch.testing.assert_close(levels[0, 3, :4], torch.tensor([0.9, 0.5, 0.4, 0.0]))
    # Four octaves above C3 the bins end: the fourth partial of B4 lies just below.
    assert levels[1, 0].tolist() == pytest.approx([0.7] * 4 + [0.0] * 12)
    low = pretrain_encoder.levels_of(torch.ones(1, 96, 1), torch.tensor([36]), config)
    assert low[0, 0, :3].tolist() == [0, 1, 1], "a partial below the lowest bin is silent"


@pytest.mark.slow
def test_timbre_is_learnt_and_the_pitch_left_beside_it(driven, data):
    before = {name: tensor.clone() for name, tensor in driven.state_dict().items()}
    first = run(copy.deepcopy(driven), data, steps=5)
    errors = run(driven, data, steps=150)
    assert errors.levels < 0.5 * first.levels and errors.spectrum < 0.6 * first.spectrum
    assert errors.pitch == first.pitch == 0
    assert changed_parts(driven, before) == {"encoder", "expansion", "levels"}
    assert f"{errors.levels:.1f} dB" in errors.describe(with_pitch=True)


def test_a_transposed_spectrum_is_encoded_as_the_same_timbre(driven, monkeypatch):
    inputs, genuine = [], driven.encoder.encode_spectrum
    monkeypatch.setattr(
        driven.encoder, "encode_spectrum", lambda spectrum: inputs.append(spectrum) or genuine(spectrum)
    )
    disable_variation(monkeypatch, shifted=0.0)
    spectrum = torch.zeros(1, 96, FRAMES + 4, dtype=torch.float16)
    spectrum[:, 30:50] = 0.5
    for pitch, sound in ((53, spectrum), (60, shift_bins(spectrum, torch.tensor([14])))):
        run(driven, Spectra(sound, torch.tensor([pitch])), steps=1)
    low, high = (each[:, :, 0].argmax(dim=1) for each in inputs)
    # Both begin at bin 30 - 2 * (53 - 48), or a bin beside it.
    assert set(low.tolist()) == set(high.tolist()) == {19, 20, 21}
