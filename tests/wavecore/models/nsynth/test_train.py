"""The update, the held-out loss, which weights are trained, and samples while a run goes on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.audio import files, mulaw, note_level
from wavecore.errors import UsageError
from wavecore.models.nsynth import train as nsynth_train
from wavecore.models.nsynth.config import NSynthConfig, NSynthTrainingConfig
from wavecore.models.nsynth.data import LEVEL_DB
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.nsynth.train import NSynthTask, predict
from wavecore.nn.config import EncoderConfig, WaveNetConfig

HOP, FRAMES = 160, 4
ENCODER = EncoderConfig("waveform", 4, HOP, channels=4, dilation_cycles=1, layers_per_cycle=4)
DECODER = WaveNetConfig(1, 5, 2, 8, 8, 8, 16, latent_channels=4, hop_length=HOP)
PLAIN = NSynthConfig(ENCODER, DECODER)
EMBEDDED = NSynthConfig(ENCODER, replace(DECODER, latent_channels=6), 2)
DRIVEN = NSynthConfig(ENCODER, replace(DECODER, latent_channels=5 + 6, hop_length=1), harmonics=3)
CQT = NSynthConfig(EncoderConfig("cqt", 4, HOP, channels=8, n_bins=96, fmin_hz=130.8), DECODER)
TRAINING = NSynthTrainingConfig(
    steps=12,
    batch_size=3,
    crop_frames=FRAMES,
    warmup_steps=2,
    validation_crops=2,
    precision="float32",
    transpose_semitones=0.0,
    context_noise_probability=0.0,
    context_dropout_probability=0.0,
)


def make_task(notes, network=PLAIN, *, output_std=0.0, **training):
    """A task; an output layer of zeros, as a new network has, would let no gradient pass."""
    task = NSynthTask(notes, network, replace(TRAINING, **training))
    if output_std:
        generator = torch.Generator().manual_seed(0)
        task.build().decoder.output.weight.data.normal_(std=output_std, generator=generator)
    return task


@pytest.mark.parametrize("network", [PLAIN, EMBEDDED, CQT], ids=["plain", "embedded", "cqt"])
def test_a_batch_is_what_encoder_and_decoder_take(notes, network):
    task = make_task(notes, network)
    batch, network = task.batch(0), task.build()
    assert batch.audio.shape == (3, (FRAMES + 2 * network.encoder.context_frames) * HOP)
    assert network.encoder(batch.audio).shape == (3, FRAMES, 4)
    assert predict(network, batch, "float32").shape == (3, FRAMES * HOP, 256)


def test_a_driven_network_predicts_from_oscillator_and_latent(notes):
    task = make_task(notes, DRIVEN, output_std=1.0)
    network, batch = task.build().eval(), task.batch(0)
    logits = predict(network, batch, "float32")
    latent = network.encode(batch.audio, 69 + 12 * torch.log2(batch.f0_hz / 440), whole=False)
    conditioning = network.sampled_condition(latent, batch.phase, batch.f0_hz, batch.offsets)
    assert torch.equal(logits, network.decoder(batch.context, conditioning))
    for name in ("phase", "offsets"):
        assert not torch.equal(logits, predict(network, replace(batch, **{name: getattr(batch, name) + 1}), "float32"))
    assert task.validate(network, "cpu")["valid/latent_worth"] != 0


@pytest.mark.slow
@pytest.mark.parametrize("network", [PLAIN, EMBEDDED, DRIVEN], ids=["plain", "embedded", "driven"])
def test_training_lowers_the_loss_from_eight_bits(notes, network):
    task = make_task(notes, network, steps=30, batch_size=4, learning_rate=0.03)
    trainer = task.trainer(task.build(), "cpu")
    measures = [trainer.update(task.batch(step)) for step in range(30)]
    assert measures[0]["bits"] == pytest.approx(8.0, abs=0.05)
    assert np.mean([record["bits"] for record in measures[-5:]]) < 6.9
    assert set(measures[0]) == {"bits", "gradient_norm", "learning_rate"} and trainer.step == 30


def test_skipped_samples_do_not_count(notes):
    batch = make_task(notes).batch(0)
    changed = replace(batch, codes=torch.cat([(batch.codes[:, :100] + 99) % 256, batch.codes[:, 100:]], dim=1))
    bits = []
    for each in (batch, changed):
        task = make_task(notes, skip_samples=100, output_std=1.0)
        bits.append(task.trainer(task.build(), "cpu").update(each)["bits"])
    assert bits[0] == bits[1] and bits[0] != pytest.approx(8.0, abs=0.01)


@pytest.mark.slow
def test_validation_measures_held_out_crops_and_what_the_latent_is_worth(notes):
    new = make_task(notes, validation_crops=3)
    assert new.validate(new.build().eval(), "cpu") == {
        "valid/bits": pytest.approx(8.0, abs=1e-4),
        "valid/latent_worth": 0.0,
    }
    task = make_task(notes, validation_crops=3, output_std=0.5)
    network = task.build().eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    measures = task.validate(network, "cpu")
    batch = task.held_out(n_crops=12)
    with torch.inference_mode():
        logits = network(batch.codes, network.encoder(batch.audio))
        nats = torch.nn.functional.cross_entropy(logits.reshape(-1, 256), batch.codes.reshape(-1))
    assert measures["valid/bits"] == pytest.approx(float(nats) / np.log(2), rel=1e-5)
    assert measures["valid/latent_worth"] != 0 and measures == task.validate(network, "cpu")
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_description_is_json_with_pitches_and_level(notes):
    description = make_task(notes).describe()
    assert json.loads(json.dumps(description)) == description
    assert (description["midi_range"], description["level_db"]) == ([57, 72], LEVEL_DB)
    assert description["notes"] == {"train": 10, "valid": 6, "test": 2}


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_a_decoder_is_trained_at_a_rate_of_its_own(notes, rate):
    task = make_task(notes, decoder_rate=rate, warmup_steps=0, learning_rate=1e-3, output_std=0.3)
    trainer = task.trainer(task.build(), "cpu")
    before = {name: tensor.clone() for name, tensor in task.build().state_dict().items()}
    trainer.update(task.batch(0))
    change = {name: float((tensor - before[name]).abs().max()) for name, tensor in trainer.network.state_dict().items()}
    # Adam's first step has the size of the learning rate wherever there is a gradient.
    decoder, encoder = (max(v for name, v in change.items() if name.startswith(part)) for part in ("dec", "enc"))
    assert decoder == pytest.approx(1e-3 * rate, rel=0.05, abs=1e-12) and encoder == pytest.approx(1e-3, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
@pytest.mark.parametrize("freeze", [True, False])
def test_a_frozen_encoder_stays_as_it_is_and_the_rest_is_trained(notes, optimizer, freeze):
    task = make_task(notes, DRIVEN, freeze_encoder=freeze, optimizer=optimizer, output_std=0.3)
    trainer = task.trainer(task.build(), "cpu")
    before = {name: tensor.clone() for name, tensor in task.build().state_dict().items()}
    for step in range(2):
        trainer.update(task.batch(step))
    for tensors in (trainer.network.state_dict(), trainer.average):
        changed = {name.split(".")[0] for name, tensor in tensors.items() if not torch.equal(tensor, before[name])}
        assert changed == {"decoder", "levels"} | (set() if freeze else {"encoder"})


@pytest.mark.parametrize(
    ("data", "training", "offending"),
    [
        ({}, {"crop_frames": 51}, "51 frames.*8000 samples"),
        ({}, {"skip_samples": FRAMES * HOP}, "skip_samples is 640"),
        ({"sample_rate": 8_000}, {}, "8000 Hz.*16000 Hz"),
        ({"pitches": {"train": (60,)}}, {}, "'valid'"),
        ({"pitches": {"valid": (60,)}}, {}, "'train'"),
    ],
)
def test_notes_that_do_not_fit_are_refused(make_notes, tmp_path, data, training, offending):
    with pytest.raises(UsageError, match=offending):
        make_task(make_notes(tmp_path / "n", **data), **training)


def test_the_longest_crop_and_the_most_skipped_samples_are_accepted(notes):
    assert make_task(notes, crop_frames=50).batch(0).codes.shape == (3, 8_000)
    make_task(notes, skip_samples=FRAMES * HOP - 1)


@pytest.mark.parametrize("network", [PLAIN, EMBEDDED, DRIVEN], ids=["plain", "embedded", "driven"])
def test_samples_are_held_out_notes_and_their_reconstructions(notes, network, tmp_path, monkeypatch):
    monkeypatch.setattr(nsynth_train, "SAMPLE_SECONDS", 0.1)
    monkeypatch.setattr(nsynth_train, "SAMPLE_NOTES", 3)
    task = make_task(notes, network, output_std=0.2)
    network, conditions = task.build().eval(), []
    genuine = network.condition

    def condition(latent, pitches):
        conditions.append((latent, pitches))
        return genuine(latent, pitches)

    monkeypatch.setattr(network, "condition", condition)
    for _ in range(2):  # the same step replaces its files
        task.write_samples(network, tmp_path / "s", step=1500)
    names = [note.note_str for note in notes.notes("valid")]
    chosen = [0, 2, 5]
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == sorted(
        f"{prefix}__{names[row]}.wav" for prefix in ("input", "step-00001500") for row in chosen
    )
    for row in chosen:
        reconstruction, rate = files.read(tmp_path / "s" / f"step-00001500__{names[row]}.wav")
        original, _ = files.read(tmp_path / "s" / f"input__{names[row]}.wav")
        assert rate == 16_000 and len(reconstruction) == len(original) == 1_600
        assert len(np.unique(reconstruction)) > 20
        expected = note_level.level(mulaw.decode(np.array(notes.codes("valid")[row][:1_600])), LEVEL_DB)
        np.testing.assert_allclose(original, expected, atol=1.01 / 32768)
    latent, pitches = conditions[0]
    midi = [notes.notes("valid")[row].pitch for row in chosen]
    if network.config.pitch_channels:
        assert pitches.tolist() == midi
    if network.config.harmonics:
        assert (60 + 12 * latent[:, 3, 4]).tolist() == pytest.approx(midi)


def test_an_initial_network_of_another_configuration_is_refused(notes):
    with pytest.raises(UsageError):
        NSynthTask(notes, PLAIN, TRAINING, NSynthNetwork(EMBEDDED))
