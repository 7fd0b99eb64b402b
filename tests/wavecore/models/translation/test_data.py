"""Crops: aligned, reproducible, of the right domains, and refused where they cannot be."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.audio import mulaw
from wavecore.errors import UsageError
from wavecore.models.translation.config import TranslationTrainingConfig
from wavecore.models.translation.data import REST_FADE_S, REST_S, BatchSource, describe, rest_gain
from wavecore.nn.encoders import build_encoder

PLAIN = TranslationTrainingConfig(
    batch_size=5,
    crop_frames=6,
    paired_probability=0.5,
    augment_probability=0.0,
    noise_probability=0.0,
    context_noise_probability=0.0,
    context_dropout_probability=0.0,
    transpose_semitones=0.0,
    glide_probability=0.0,
    confusion_crops=7,
)


def _source(dataset, network_config, training=PLAIN):
    return BatchSource(dataset, network_config, training, build_encoder(network_config.encoder).context_frames)


def test_shapes_and_types(dataset, network_config):
    source = _source(dataset, network_config)
    batch = source.training_batch(0)
    hop = network_config.decoder.hop_length
    assert batch.codes.shape == batch.context.shape == (5, 6 * hop) and batch.codes.dtype == torch.int64
    assert batch.clean.shape == batch.augmented.shape == (5, source.n_samples)
    assert batch.clean.dtype == torch.float32


def test_a_step_draws_the_same_batch_every_time_and_another_step_another(dataset, network_config):
    noisy = replace(
        PLAIN,
        augment_probability=0.5,
        noise_probability=0.5,
        context_noise_probability=0.5,
        context_dropout_probability=0.5,
    )
    first, same = (_source(dataset, network_config, noisy).training_batch(7) for _ in range(2))
    for name in first.__dataclass_fields__:
        assert torch.equal(getattr(first, name), getattr(same, name)), name
    assert not torch.equal(first.clean, _source(dataset, network_config, noisy).training_batch(8).clean)


def test_the_target_is_the_middle_of_the_same_passage(dataset, network_config):
    """Where input and target are one domain, the codes are the input without its context."""
    source = _source(dataset, network_config, replace(PLAIN, paired_probability=0.0))
    margin = source.margin
    batch = source.training_batch(3)
    inner = mulaw.encode(batch.clean[:, margin:-margin].numpy())
    assert np.array_equal(inner, batch.codes.numpy())
    assert not batch.octave_shift.any()
    assert [network_config.domains[d] for d in batch.domains] == [network_config.targets[t] for t in batch.targets]


def test_in_a_rest_input_and_target_are_silent_and_the_context_may_sound_on(dataset, network_config):
    settings = replace(PLAIN, paired_probability=0.0, rest_probability=1.0, batch_size=40)
    source, plain = (
        _source(dataset, network_config, training) for training in (settings, replace(settings, rest_probability=0.0))
    )
    margin = source.margin
    batch = source.training_batch(0)
    x, codes, context = batch.augmented[:, margin:-margin].numpy(), batch.codes.numpy(), batch.context.numpy()
    resting = x == 0.0
    assert resting.any(axis=1).sum() > 20 and not resting.all()
    assert (codes[resting] == mulaw.SILENCE).all()
    sounding_on = (context != codes).any(axis=1)
    assert 5 < sounding_on.sum() < 35, "in half of the crops"
    assert ((context != mulaw.SILENCE) & resting)[sounding_on].any()
    assert not (plain.training_batch(0).augmented == 0.0).all(dim=1).any()


def test_pairs_come_from_other_domains_and_know_their_octave(dataset, network_config):
    source = _source(dataset, network_config, replace(PLAIN, paired_probability=1.0))
    for step in range(5):
        batch = source.training_batch(step)
        for domain, target, shift in zip(batch.domains, batch.targets, batch.octave_shift, strict=True):
            name = network_config.domains[domain]
            assert name != network_config.targets[target]
            assert shift == (-1 if name == "whistle" else 0)


@pytest.mark.parametrize("shared", [False, True])
def test_a_batch_holds_one_target_domain_unless_the_decoder_is_shared(dataset, network_config, shared):
    source = _source(dataset, replace(network_config, shared_decoder=shared))
    mixed = [len(set(source.training_batch(step).targets.tolist())) > 1 for step in range(10)]
    assert any(mixed) == shared


@pytest.mark.parametrize("kind", ["noise", "dropout"])
def test_a_corrupted_context_leaves_the_target_alone(dataset, network_config, kind):
    clean = _source(dataset, network_config, replace(PLAIN, paired_probability=0.0)).training_batch(1)
    altered = _source(
        dataset, network_config, replace(PLAIN, paired_probability=0.0, **{f"context_{kind}_probability": 1.0})
    ).training_batch(1)
    assert torch.equal(clean.context, clean.codes)
    assert not torch.equal(altered.context, altered.codes)
    if kind == "dropout":
        silent = altered.context != altered.codes
        assert set(altered.context[silent].tolist()) == {128}


def test_input_and_target_are_transposed_together(dataset, network_config):
    """Every piece is one tone: whatever the ratio, the two stay the octave apart that the data say."""
    source = _source(dataset, network_config, replace(PLAIN, paired_probability=1.0, transpose_semitones=3.0))
    margin = source.margin
    offsets = []
    for step in range(4):
        batch = source.training_batch(step)
        said = mulaw.decode(batch.codes.numpy())
        for x, y, shift in zip(batch.clean[:, margin:-margin].numpy(), said, batch.octave_shift, strict=True):
            heard, meant = _pitch(x), _pitch(y)
            assert meant == pytest.approx(heard + 12 * int(shift), abs=0.15)
            offsets.append(meant - round(meant))
    assert max(np.abs(offsets)) > 0.2, "nothing was transposed"


@pytest.mark.slow
def test_some_crops_glide(dataset, network_config):
    training = replace(PLAIN, paired_probability=1.0, glide_probability=1.0, glide_semitones=4.0)
    source = _source(dataset, network_config, training)
    margin = source.margin
    widest = 0.0
    for step in range(4):
        batch = source.training_batch(step)
        for x, y, shift in zip(
            batch.clean[:, margin:-margin].numpy(), mulaw.decode(batch.codes.numpy()), batch.octave_shift, strict=True
        ):
            heard, meant = ([_pitch(half) for half in np.split(z, 2)] for z in (x, y))
            assert meant == pytest.approx([p + 12 * int(shift) for p in heard], abs=0.3)
            widest = max(widest, abs(heard[1] - heard[0]))
    assert 0.3 < widest < 2.5


def _pitch(x):
    """MIDI pitch of the strongest partial up to 2 kHz (the first, in these data)."""
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 17))[: 2000 * (1 << 17) // 16_000]
    return 69 + 12 * np.log2(spectrum.argmax() * 16_000 / (1 << 17) / 440)


def test_further_inputs_hold_every_domain_alike(dataset, network_config):
    source = _source(dataset, network_config, replace(PLAIN, confusion_crops=12))
    batch = source.training_batch(0)
    assert batch.extra.shape == (12, source.n_samples)
    assert np.bincount(batch.extra_domains).tolist() == [4, 4, 4]
    whistles = batch.extra_domains == network_config.domains.index("whistle")
    assert set(batch.extra_octave_shift[whistles].tolist()) == {-1}
    assert set(batch.extra_octave_shift[~whistles].tolist()) == {0}
    assert batch.all_domains.shape == batch.all_octave_shifts.shape == (5 + 12,)
    assert float(batch.extra.abs().amax(1).min()) > 0.05


def test_no_further_inputs_are_drawn_unasked(dataset, network_config):
    batch = _source(dataset, network_config, replace(PLAIN, confusion_crops=0)).training_batch(0)
    assert batch.extra.shape[0] == 0 and torch.equal(batch.all_domains, batch.domains)


def test_unpaired_data_give_further_inputs_of_their_own(dataset, network_config):
    unpaired = type(dataset)(dataset.path, replace(dataset.manifest, paired=False), dataset._shards)
    batch = _source(unpaired, network_config, replace(PLAIN, paired_probability=0.0)).training_batch(0)
    assert not batch.extra_octave_shift.any()
    assert len(set(batch.extra_domains.tolist())) == 3


def test_validation_inputs_are_fixed(dataset, network_config):
    source = _source(dataset, network_config)
    (audio, shift), (again, _) = (source.validation_inputs("whistle", n_crops=3) for _ in range(2))
    assert torch.equal(audio, again) and shift.tolist() == [-1, -1, -1]
    assert audio.shape == (3, source.n_samples)


def test_validation_crops_are_fixed_and_held_out(dataset, network_config):
    source = _source(dataset, network_config)
    batch, same = (source.validation_batch("whistle", "organ", n_crops=3) for _ in range(2))
    assert torch.equal(batch.codes, same.codes) and torch.equal(batch.augmented, batch.clean)
    assert batch.octave_shift.tolist() == [-1, -1, -1]
    held_out = set()
    for piece in dataset.pieces("valid"):
        held_out |= {
            bytes(codes) for codes in np.lib.stride_tricks.sliding_window_view(dataset.codes(piece, "organ"), 960)
        }
    assert all(bytes(codes.to(torch.uint8).numpy()) in held_out for codes in batch.codes)


def test_data_that_do_not_fit_are_refused(dataset, network_config):
    with pytest.raises(UsageError, match="kazoo"):
        _source(dataset, replace(network_config, domains=(*network_config.domains, "kazoo")))
    other_rate = replace(
        network_config,
        encoder=replace(network_config.encoder, sample_rate=12_000),
        decoder=replace(network_config.decoder, sample_rate=12_000),
    )
    with pytest.raises(UsageError, match="16000 Hz.*12000 Hz"):
        BatchSource(dataset, other_rate, PLAIN, 2)
    unpaired = type(dataset)(dataset.path, replace(dataset.manifest, paired=False), {})
    with pytest.raises(UsageError, match="paired_probability"):
        _source(unpaired, network_config)


def test_a_step_may_hold_crops_of_several_targets(dataset, network_config):
    training = replace(PLAIN, batch_size=6, targets_per_step=2)
    both = replace(network_config, targets=("flute", "organ", "whistle"))
    source = BatchSource(dataset, both, training, build_encoder(both.encoder).context_frames)
    seen = set()
    for step in range(12):
        targets = source.training_batch(step).targets.tolist()
        # One of flute and whistle for the even crops, the organ for the others.
        assert targets == [targets[0], 1] * 3 and targets[0] in (0, 2)
        seen.add(targets[0])
    assert seen == {0, 2}


@pytest.mark.parametrize(("shared", "has"), [(False, "2 targets"), (True, "one decoder")])
def test_more_targets_in_a_step_than_there_are(dataset, network_config, shared, has):
    with pytest.raises(UsageError, match=f"targets_per_step is 3.*{has}"):
        _source(
            dataset, replace(network_config, shared_decoder=shared), replace(PLAIN, batch_size=6, targets_per_step=3)
        )


RATE, N = 16_000, 8_000


def gains(n, n_samples=N):
    rng = np.random.default_rng(0)
    return np.stack([rest_gain(n_samples, sample_rate=RATE, rng=rng) for _ in range(n)])


def test_a_rest_is_one_silent_stretch_with_ends_that_fade():
    for gain in gains(200):
        assert gain.dtype == np.float32 and gain.shape == (N,) and gain.min() >= 0 and gain.max() <= 1
        silent = np.flatnonzero(gain == 0)
        assert len(silent) and len(silent) == silent[-1] - silent[0] + 1
        assert np.abs(np.diff(gain)).max() <= 1.01 / (REST_FADE_S * RATE), "no clicks"
        if silent[0] > 0 and silent[-1] < N - 1:
            assert REST_S[0] * RATE - 2 <= len(silent) <= REST_S[1] * RATE + 2


@pytest.mark.slow
def test_every_position_rests_equally_often():
    share = (gains(4_000) == 0).mean(axis=0)
    assert share.max() - share.min() < 0.06 and 0.4 < share.mean() < 0.6


def test_a_rest_may_be_longer_than_the_passage():
    short = gains(300, n_samples=900)
    assert (short == 0).all(axis=1).any() and not (short == 0).all()


def test_the_card_gets_ranges_and_level(dataset):
    summary = describe(dataset)
    assert summary["midi_ranges"] == {"whistle": [72.0, 79.0], "flute": [60.0, 67.0], "organ": [60.0, 67.0]}
    # A sinusoid of 0.2 has an RMS of -17 dB; with partials 1/k up to the fifth it is 1.66 dB more.
    assert summary["level_db"] == pytest.approx(-16.0, abs=1.2)
    assert summary["pieces"] == {"train": 5, "valid": 2, "test": 1}
