"""Held-out measures: names, repeatability, and that they tell good from bad; samples of a run."""

from dataclasses import replace

import numpy as np
import pytest

from wavecore.audio import files, mulaw
from wavecore.errors import InputError
from wavecore.models.translation import validate
from wavecore.models.translation.config import TranslationTrainingConfig
from wavecore.models.translation.data import BatchSource
from wavecore.models.translation.model import TranslationNetwork
from wavecore.models.translation.train import TranslationTrainer
from wavecore.training.task import build_network

TRAINING = TranslationTrainingConfig(
    steps=60, batch_size=2, crop_frames=6, paired_probability=0.5, warmup_steps=5, skip_samples=80, learning_rate=0.02
)


@pytest.fixture
def source(dataset, network_config):
    return make_source(dataset, network_config)


def make_source(dataset, config, training=TRAINING):
    context = build_network(TranslationNetwork, config, seed=0).encoder.context_frames
    return BatchSource(dataset, config, training, context)


def test_a_new_network_needs_eight_bits_and_ignores_the_latent(source, network_config):
    network = build_network(TranslationNetwork, network_config, seed=0).eval()
    measures = validate.validate(network, source, n_crops=2)
    names = [f"valid/{kind}/{target}" for target in network_config.targets for kind in ("bits", "translation_bits")]
    assert set(measures) == {*names, "valid/bits", "valid/latent_worth", "valid/classifier_accuracy"}
    assert all(measures[name] == pytest.approx(8.0, abs=1e-5) for name in names)
    assert measures["valid/latent_worth"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.slow
def test_a_trained_network_needs_fewer_and_the_measures_repeat(source, network_config):
    trainer = TranslationTrainer(build_network(TranslationNetwork, network_config, seed=0), TRAINING)
    while trainer.step < TRAINING.steps:
        trainer.update(source.training_batch(trainer.step))
    network = trainer.averaged_network()
    measures = validate.validate(network, source, n_crops=4)
    assert measures["valid/bits"] < 6.0
    assert measures == validate.validate(network, source, n_crops=4)
    assert measures != validate.validate(network, source, n_crops=4, split="test")


@pytest.mark.parametrize(("paired", "label"), [(0.5, "translation_bits"), (0.0, "bits")])
def test_the_mean_that_decides_is_that_of_the_task(dataset, random_network, paired, label):
    training = replace(TRAINING, paired_probability=paired)
    measures = validate.validate(random_network, make_source(dataset, random_network.config, training), n_crops=2)
    values = [measures[f"valid/{label}/{target}"] for target in random_network.config.targets]
    assert measures["valid/bits"] == pytest.approx(sum(values) / len(values))


@pytest.mark.slow
def test_a_copy_of_the_input_keeps_the_melody_and_random_weights_do_not(random_network, dataset, monkeypatch):
    def measure():
        return validate.measure_transfer(random_network, dataset, n_passages=2, seconds=0.3)

    measures = measure()
    assert set(measures) == {"valid/transfer/flute", "valid/transfer/organ"}
    assert max(measures.values()) < 0.5
    assert measures == measure()

    def echo(generator, latent):
        """Yield the inputs of the second target in place of generated sounds."""
        del generator
        passages = [
            validate.held_out_passage(random_network, dataset, "organ", 30, np.random.default_rng((1, 1, row)))
            for row in range(2)
        ]
        yield np.stack([mulaw.encode(sound) for sound, _ in passages])

    with monkeypatch.context() as patch:
        patch.setattr(validate, "generate_blocks", echo)
        assert measure()["valid/transfer/organ"] == 1.0
    random_network.keep_decoders(["organ"])
    assert measure() == {"valid/transfer/organ": measures["valid/transfer/organ"]}


def test_the_error_is_the_melodies_lost_or_the_bits():
    assert validate.error({"valid/bits": 3.5}) == 3.5
    assert validate.error({"valid/bits": 3.5, "valid/transfer/a": 0.9, "valid/transfer/b": 0.7}) == pytest.approx(0.2)


def dominant_hz(path):
    x, rate = files.read(path)
    return np.abs(np.fft.rfft(x * np.hanning(len(x)))).argmax() * rate / len(x)


@pytest.mark.slow
def test_samples_of_every_target_and_their_inputs(random_network, dataset, tmp_path):
    written = validate.write_samples(random_network, dataset, tmp_path, step=1500, seconds=0.505)
    assert [path.name for path in written] == ["step-00001500__flute.wav", "step-00001500__organ.wav"]
    inputs = {f"input__{target}.wav" for target in ("flute", "organ")}
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in written} | inputs
    for path in written:
        x, rate = files.read(path)
        assert rate == 16_000 and len(x) == 51 * 160  # rounded up to whole frames
        assert len(np.unique(x)) > 20
    held_out = [440 * 2 ** ((piece.notes[0][2] + 12 - 69) / 12) for piece in dataset.pieces("valid")]
    assert min(abs(dominant_hz(tmp_path / "input__organ.wav") - hz) for hz in held_out) < 3  # a whistle
    again = validate.write_samples(random_network, dataset, tmp_path / "again", step=9, seconds=0.505)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in written]


def test_unpaired_data_are_translated_within_their_own_domain(random_network, dataset, tmp_path):
    unpaired = replace(dataset.manifest, paired=False)
    alone = type(dataset)(dataset.path, unpaired, dataset._shards)
    validate.write_samples(random_network, alone, tmp_path, step=0, seconds=0.3)
    held_out = [440 * 2 ** ((piece.notes[0][2] - 69) / 12) for piece in dataset.pieces("valid")]
    assert min(abs(dominant_hz(tmp_path / "input__organ.wav") - hz) for hz in held_out) < 3


def test_the_octave_between_the_domains_reaches_the_encoder(random_network, dataset, monkeypatch):
    shifts = []
    genuine = random_network.encoder.forward

    def record(audio, *, octave_shift=0):
        shifts.append(octave_shift)
        return genuine(audio, octave_shift=octave_shift)

    monkeypatch.setattr(random_network.encoder, "forward", record)
    validate.held_out_passage(random_network, dataset, "organ", 5, np.random.default_rng(0))
    assert shifts == [-1]


def test_short_pieces_give_short_passages_and_too_short_ones_an_error(random_network, dataset, monkeypatch):
    x, latent = validate.held_out_passage(random_network, dataset, "organ", 500, np.random.default_rng(0))
    margin = random_network.encoder.context_frames
    assert latent.shape[1] == 100 - 2 * margin and len(x) == 160 * latent.shape[1]
    monkeypatch.setattr(random_network.encoder, "context_frames", 50)
    with pytest.raises(InputError, match="valid piece"):
        validate.held_out_passage(random_network, dataset, "organ", 500, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("domains", "targets", "target", "other"),
    [
        (("whistle", "flute", "organ"), ("flute", "organ"), "organ", "whistle"),
        (("whistle", "flute", "organ"), ("whistle", "flute", "organ"), "whistle", "flute"),
        (("whistle", "flute", "organ"), ("whistle", "flute", "organ"), "organ", "whistle"),
        (("organ",), ("organ",), "organ", None),
    ],
)
def test_the_other_domain(network_config, domains, targets, target, other):
    config = replace(network_config, domains=domains, targets=targets)
    assert validate.other_domain(config, target) == other
