"""Crops of notes, the one update, the held-out loss, and a run that is killed and resumed."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.audio import mulaw, note_level
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.errors import ModelError, OutputExistsError, UsageError
from wavecore.models.nsynth import train as nsynth_task
from wavecore.models.nsynth.config import NSynthConfig, NSynthTrainingConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.nsynth.train import NotesBatch, NSynthTask, predict
from wavecore.nn.encoders import EncoderConfig
from wavecore.nn.wavenet import WaveNetConfig
from wavecore.training import augmentation
from wavecore.training.loop import run_task

HOP, FRAMES = 160, 4
ENCODER = EncoderConfig("waveform", 4, HOP, channels=4, dilation_cycles=1, layers_per_cycle=4)
DECODER = WaveNetConfig(1, 5, 2, 8, 8, 8, 16, latent_channels=4, hop_length=HOP)
NETWORK = NSynthConfig(ENCODER, DECODER)
TRAINING = NSynthTrainingConfig(
    steps=12,
    batch_size=3,
    crop_frames=FRAMES,
    warmup_steps=2,
    validate_every=6,
    checkpoint_every=5,
    validation_crops=2,
    precision="float32",
)
PLAIN = {"transpose_semitones": 0.0, "context_noise_probability": 0.0, "context_dropout_probability": 0.0}

SCRIPT = """
import json, sys
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.config import NSynthTrainingConfig
from wavecore.training.loop import run_task
from wavecore.models.nsynth.train import NSynthTask
request = json.loads(sys.argv[1])
task = NSynthTask(
    NotesDataset.open(request["data"]), NSynthConfig.from_dict(request["network"]), NSynthTrainingConfig(**request["training"])
)
run_task(task, request["out"], resume=request["resume"])
"""


def _task(notes, network=NETWORK, **changes):
    return NSynthTask(notes, network, replace(TRAINING, **changes))


def _with_pitch(pitch_channels=2):
    return NSynthConfig(ENCODER, replace(DECODER, latent_channels=4 + pitch_channels), pitch_channels)


def _margin(task):
    return task.build().encoder.context_frames * HOP


def _places(task, batch, split):
    """Of every crop the note that it was cut from and where it begins, by looking for its codes."""
    found = []
    n = batch.codes.shape[1]
    for said, pitch in zip(batch.codes.numpy().astype(np.uint8), batch.pitches.tolist(), strict=True):
        places = []
        for row, note in enumerate(task.dataset.notes(split)):
            if note.pitch == pitch:
                x = note_level.level(mulaw.decode(np.array(task.dataset.codes(split)[row])), nsynth_task.LEVEL_DB)
                padded = np.pad(mulaw.encode(x), n, constant_values=mulaw.SILENCE).tobytes()
                place = padded.find(said.tobytes())
                places += [(row, place - n)] * (place >= 0)
        assert len(places) == 1, places
        found += places
    return found


@pytest.mark.parametrize("encoder", [ENCODER, EncoderConfig("cqt", 4, HOP, channels=8, n_bins=96, fmin_hz=130.8)])
def test_a_batch_is_what_encoder_and_decoder_take(notes, encoder):
    task = _task(notes, NSynthConfig(encoder, DECODER))
    batch, network = task.batch(0), task.build()
    assert batch.audio.shape == (3, (FRAMES + 2 * network.encoder.context_frames) * HOP)
    assert batch.audio.dtype == torch.float32 and float(batch.audio.abs().max()) <= 1
    for codes in (batch.codes, batch.history):
        assert codes.shape == (3, FRAMES * HOP) and codes.dtype == torch.int64
        assert int(codes.min()) >= 0 and int(codes.max()) < 256
    assert batch.pitches.shape == (3,) and set(batch.pitches.tolist()) <= {57, 60, 64, 67, 72}
    assert network.encoder(batch.audio).shape == (3, FRAMES, 4)
    assert predict(network, batch, "float32").shape == (3, FRAMES * HOP, 256)


def test_a_step_has_one_batch_and_another_step_or_seed_another(notes):
    first, again, later, other = (
        _task(notes).batch(3),
        _task(notes).batch(3),
        _task(notes).batch(4),
        _task(notes, seed=1).batch(3),
    )
    for field in fields(NotesBatch):
        assert torch.equal(getattr(first, field.name), getattr(again, field.name))
    assert not torch.equal(first.audio, later.audio) and not torch.equal(first.audio, other.audio)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_the_codes_are_the_middle_of_the_audio_and_beyond_the_note_is_silence(notes, split):
    task = _task(notes)
    margin, n = _margin(task), FRAMES * HOP
    batch = task.held_out(n_crops=40, split=split)
    assert np.array_equal(mulaw.encode(batch.audio[:, margin : margin + n].numpy()), batch.codes.numpy())
    assert torch.equal(batch.history, batch.codes)
    for x, (row, begin) in zip(batch.audio.numpy(), _places(task, batch, split), strict=True):
        note = note_level.level(mulaw.decode(np.array(task.dataset.codes(split)[row])), nsynth_task.LEVEL_DB)
        padded = np.pad(note, margin + n)
        assert np.array_equal(x, padded[begin + n :][: n + 2 * margin])


def test_a_fifth_of_the_crops_begins_with_the_note(notes, monkeypatch):
    monkeypatch.setattr(nsynth_task, "LEVEL_SPREAD_DB", 0.0)
    task = _task(notes, batch_size=400, **PLAIN)
    batch = task.batch(0)
    begins = np.array([begin for _, begin in _places(task, batch, "train")])
    assert 0.14 < np.mean(begins < 0) < 0.27  # 0 itself, which such a crop may have too, is rare
    assert begins.min() >= -FRAMES * HOP // 2 and begins.max() <= 8_000 - FRAMES * HOP
    assert begins.max() > 7_000 and len(set(batch.pitches.tolist())) == 5


def test_most_crops_begin_while_the_key_is_held(make_notes, tmp_path, monkeypatch):
    monkeypatch.setattr(nsynth_task, "LEVEL_SPREAD_DB", 0.0)
    notes = make_notes(tmp_path / "long", pitches={"train": (60,), "valid": (62,)}, n_samples=64_000)
    task = _task(notes, batch_size=300, **PLAIN)
    begins = np.array([begin for _, begin in _places(task, task.batch(0), "train")])
    released = np.mean(begins >= 48_000)
    assert 0.005 < released < 0.1  # a quarter of 15 %
    assert begins.max() > 48_000


def test_training_crops_are_detuned_and_their_past_is_blurred_and_held_out_ones_not(notes):
    task = _task(notes, batch_size=20, context_noise_probability=1.0, context_dropout_probability=0.0)
    batch = task.batch(0)
    assert (batch.history != batch.codes).any(dim=1).all()
    plain = _task(notes, batch_size=20, **PLAIN)
    assert torch.equal(plain.batch(0).history, plain.batch(0).codes)
    assert not torch.equal(plain.batch(0).audio, batch.audio)
    assert _task(notes, transpose_semitones=0.5).held_out(n_crops=4).audio.equal(plain.held_out(n_crops=4).audio)


def test_foreign_tones_sound_in_the_past_alone(notes):
    sounding = _task(notes, batch_size=20, context_tone_probability=1.0, **PLAIN)
    batch = sounding.batch(0)
    assert (batch.history != batch.codes).any(dim=1).float().mean() > 0.8  # some tones drown in the codes' steps
    assert torch.equal(sounding.held_out(n_crops=8).history, sounding.held_out(n_crops=8).codes)


def test_a_dropped_past_is_silent_and_the_target_is_not(notes):
    task = _task(notes, batch_size=30, context_noise_probability=0.0, context_dropout_probability=1.0)
    batch = task.batch(0)
    changed = batch.history != batch.codes
    assert changed.any() and (batch.history[changed] == mulaw.SILENCE).all()


def test_a_crop_is_detuned_as_a_whole(make_notes, tmp_path, monkeypatch):
    notes = make_notes(tmp_path / "n", pitches={"train": (69,), "valid": (69,)}, n_samples=16_000)
    seen = []
    genuine = augmentation.tape_positions

    def listen(n_samples, *, semitones):
        seen.append(semitones)
        return genuine(n_samples, semitones=semitones)

    monkeypatch.setattr(augmentation, "tape_positions", listen)
    task = _task(notes, crop_frames=40, batch_size=12, transpose_semitones=3.0)
    batch = task.batch(0)
    assert len(seen) == 12 and all(a == b and abs(a) <= 3 for a, b in seen)
    assert max(a for a, _ in seen) > 1 and min(a for a, _ in seen) < -1
    margin = _margin(task)
    for x, (bent, _) in zip(batch.audio.numpy(), seen, strict=True):
        x = x[margin + 1600 : -margin - 1600]  # where every crop sounds
        peak_hz = np.abs(np.fft.rfft(x * np.hanning(len(x)), 64_000)).argmax() / 4
        assert peak_hz == pytest.approx(440 * 2 ** (bent / 12), abs=6)


def test_a_crop_as_long_as_a_note_may_be_read_faster(notes):
    task = _task(notes, crop_frames=8_000 // HOP, batch_size=40, transpose_semitones=3.0)
    batch = task.batch(0)  # detuned upwards, such a note ends before the crop
    assert batch.codes.shape == (40, 8_000)


def test_a_batch_goes_to_a_device():
    codes = torch.ones(1, 2).long()
    batch = NotesBatch(
        torch.zeros(1, 4), codes, codes, torch.tensor([60]), torch.zeros(1, 2), torch.zeros(1, 2, 64), torch.ones(1, 1)
    )
    moved = batch.to(torch.device("meta"))
    assert {getattr(moved, field.name).device.type for field in fields(NotesBatch)} == {"meta"}


def _driven(harmonics=3):
    return NSynthConfig(ENCODER, replace(DECODER, latent_channels=5 + 2 * harmonics, hop_length=1), harmonics=harmonics)


def test_the_oscillator_runs_with_the_fundamental_of_what_is_to_be_said(notes):
    task = _task(notes, _driven(), batch_size=30, transpose_semitones=0.5)
    for batch in (task.batch(0), task.held_out(n_crops=30)):
        assert batch.phase.shape == (30, FRAMES * HOP) and batch.phase.dtype == torch.float32
        assert (
            batch.f0_hz.shape == (30, 1)
            and 0 <= float(batch.phase.min()) <= float(batch.phase.max()) <= 2 * np.pi + 1e-5
        )
        semitones = 12 * torch.log2(batch.f0_hz[:, 0] / 440) + 69 - batch.pitches
        assert float(semitones.abs().max()) <= 0.5 + 1e-4
        # What is said, seen from the oscillator, stands still at its crest.
        said = torch.from_numpy(mulaw.decode(batch.codes.numpy()))
        inner = slice(FRAMES * HOP // 4, None)
        pointer = (said * torch.exp(-1j * batch.phase))[:, inner].mean(dim=1)
        loud = said[:, inner].square().mean(dim=1) > 1e-4
        assert int(loud.sum()) > 20 and float(pointer[loud].angle().abs().median()) < 0.15
    plain = _task(notes).batch(0)
    assert plain.phase.shape == plain.offsets.shape == (3, 0)


def test_partials_run_ahead_of_the_fundamental_as_in_what_is_to_be_said(notes):
    task = _task(notes, _driven(), batch_size=30, transpose_semitones=0.5)
    batch = task.batch(0)
    assert batch.offsets.shape == (30, FRAMES * HOP, 64) and batch.offsets.dtype == torch.float32
    said = torch.from_numpy(mulaw.decode(batch.codes.numpy()))
    inner = slice(FRAMES * HOP // 4, None)
    for k in (1, 2):
        pointers = (said * torch.exp(-1j * (k * batch.phase + batch.offsets[..., k - 1])))[:, inner].mean(dim=1)
        loud = pointers.abs() > 1e-2
        assert int(loud.sum()) > 10 and float(pointers[loud].angle().abs().median()) < 0.15, k


def test_a_driven_network_predicts_from_oscillator_and_latent(notes):
    task = _task(notes, _driven(), **PLAIN)
    network, batch = task.build().eval(), task.batch(0)
    network.decoder.output.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    logits = predict(network, batch, "float32")
    assert logits.shape == (3, FRAMES * HOP, 256)
    midi = 69 + 12 * torch.log2(batch.f0_hz / 440)
    condition = network.sampled_condition(
        network.encode(batch.audio, midi, whole=False), batch.phase, batch.f0_hz, batch.offsets
    )
    assert torch.equal(logits, network.decoder(batch.history, condition))
    for name in ("phase", "offsets"):
        assert not torch.equal(logits, predict(network, replace(batch, **{name: getattr(batch, name) + 1}), "float32"))
    found = task.validate(network, "cpu")
    assert found["valid/latent_worth"] != 0


@pytest.mark.parametrize("network", [NETWORK, _with_pitch(), _driven()])
def test_training_lowers_the_loss_from_eight_bits(notes, network):
    task = _task(notes, network, steps=60, batch_size=4, learning_rate=0.02, **PLAIN)
    trainer = task.trainer(task.build(), "cpu")
    found = [trainer.update(task.batch(step)) for step in range(60)]
    assert found[0]["bits"] == pytest.approx(8.0, abs=0.05)
    assert np.mean([record["bits"] for record in found[-5:]]) < 6.6
    assert set(found[0]) == {"bits", "gradient_norm", "learning_rate"} and trainer.step == 60


def test_skipped_samples_do_not_count(notes):
    batch = _task(notes, **PLAIN).batch(0)
    spoilt = replace(batch, codes=torch.cat([(batch.codes[:, :100] + 99) % 256, batch.codes[:, 100:]], dim=1))
    bits = []
    for each in (batch, spoilt):
        task = _task(notes, skip_samples=100, **PLAIN)
        task.build().decoder.output.weight.data.normal_(generator=torch.Generator().manual_seed(0))
        bits.append(task.trainer(task.build(), "cpu").update(each)["bits"])
    assert bits[0] == bits[1] and bits[0] != pytest.approx(8.0, abs=0.01)


def test_the_network_starts_from_the_seed_alone_or_from_given_weights(notes):
    before = torch.random.get_rng_state()
    first, same, other = (_task(notes, seed=seed).build().state_dict()["encoder.last.weight"] for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before), "building must not disturb the caller's generator"
    assert torch.equal(first, same) and not torch.equal(first, other)
    network = NSynthNetwork(NETWORK)
    assert NSynthTask(notes, NETWORK, TRAINING, network).build() is network


def test_validation_measures_held_out_crops_and_what_the_latent_is_worth(notes):
    task = _task(notes, validation_crops=3)
    network = task.build().eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert task.validate(network, "cpu") == {"valid/bits": pytest.approx(8.0, abs=1e-4), "valid/latent_worth": 0.0}
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    network.decoder.output.weight.data.normal_(std=0.5, generator=torch.Generator().manual_seed(0))
    found = task.validate(network, "cpu")
    batch = task.held_out(n_crops=12)
    with torch.inference_mode():
        logits = network(batch.codes, network.encoder(batch.audio))
        nats = torch.nn.functional.cross_entropy(logits.reshape(-1, 256), batch.codes.reshape(-1))
    assert found["valid/bits"] == pytest.approx(float(nats) / np.log(2), rel=1e-5)
    assert found["valid/latent_worth"] != 0 and found == task.validate(network, "cpu")


def test_the_description_is_json_and_names_the_pitches(notes):
    found = _task(notes).describe()
    assert json.loads(json.dumps(found)) == found
    assert found["midi_range"] == [57, 72] and found["notes"] == {"train": 10, "valid": 6, "test": 2}


@pytest.fixture(scope="module")
def undisturbed(notes, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    run_task(_task(notes, _with_pitch()), out)
    return out


def _final_state(folder):
    newest = sorted((folder / "checkpoint").iterdir())[-1]
    record = json.loads((newest / "state.json").read_text())
    return checkpoint.read_tensors(newest / "state.safetensors"), record


def _assert_alike(run, other):
    (tensors, record), (expected, wanted) = _final_state(run), _final_state(other)
    assert tensors.keys() == expected.keys() and record["history"] == wanted["history"]
    for name, tensor in tensors.items():
        assert torch.equal(tensor, expected[name]), name
    digests = [checkpoint.load(folder / "last", kind="nsynth").sha256 for folder in (run, other)]
    assert digests[0] == digests[1]


def test_a_run_leaves_models_that_say_what_they_were_trained_on(undisturbed):
    for name in ("best", "last"):
        model = checkpoint.load(undisturbed / name, kind="nsynth")
        assert model.network.config == _with_pitch() and model.card["pitch_conditioned"]
        assert model.card["training"]["data"]["families"] == ["flute", "organ"]
    assert checkpoint.load(undisturbed / "last", kind="nsynth").card["training"]["steps"] == 12
    assert [row["step"] for row in _final_state(undisturbed)[1]["history"] if "valid/bits" in row] == [6, 12]


@pytest.mark.slow
def test_a_run_that_is_killed_and_resumed_ends_bit_for_bit_alike(undisturbed, notes, tmp_path):
    out = tmp_path / "killed"
    request = {
        "data": str(notes.path),
        "network": _with_pitch().to_dict(),
        "training": asdict(TRAINING),
        "out": str(out),
        "resume": False,
    }
    command = [sys.executable, "-P", "-c", SCRIPT]
    process = subprocess.Popen([*command, json.dumps(request)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not any((out / "checkpoint").glob("[0-9]*")):
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([*command, json.dumps(request | {"resume": True})], check=True)
    _assert_alike(out, undisturbed)


@pytest.mark.parametrize("step", [0, 3, 6])
def test_a_run_that_is_interrupted_and_resumed_ends_bit_for_bit_alike(undisturbed, notes, tmp_path, step):
    task = _task(notes, _with_pitch())
    genuine = task.batch

    def interrupt(number):
        if number == step:
            raise KeyboardInterrupt
        return genuine(number)

    task.batch = interrupt
    with pytest.raises(KeyboardInterrupt):
        run_task(task, tmp_path / "run")
    assert _final_state(tmp_path / "run")[1]["step"] == step
    run_task(_task(notes, _with_pitch()), tmp_path / "run", resume=True)
    _assert_alike(tmp_path / "run", undisturbed)


def test_another_run_is_never_overwritten_or_continued(undisturbed, notes):
    with pytest.raises(OutputExistsError, match="holds a run already"):
        run_task(_task(notes), undisturbed)
    with pytest.raises(UsageError, match="other settings of: network, training"):
        run_task(_task(notes, batch_size=2), undisturbed, resume=True)


def test_a_loss_that_is_not_finite_stops_the_run(notes):
    task = _task(notes)
    task.build().decoder.output.bias.data[0] = float("nan")
    with pytest.raises(ModelError, match="became nan at step 0"):
        task.trainer(task.build(), "cpu").update(task.batch(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_frames": 51}, "a crop of 51 frames is longer than a note of 8000 samples"),
        ({"skip_samples": FRAMES * HOP}, "skip_samples is 640, which leaves nothing of a crop of 640"),
    ],
)
def test_crops_that_cannot_be_are_refused(notes, changes, message):
    with pytest.raises(UsageError, match=message):
        _task(notes, **changes)
    shortest_end = {"skip_samples": FRAMES * HOP - 1} if "skip_samples" in changes else {"crop_frames": 50}
    _task(notes, **shortest_end)


def test_a_rate_that_is_not_the_network_s_is_refused(make_notes, tmp_path):
    notes = make_notes(tmp_path / "n", sample_rate=8_000)
    with pytest.raises(UsageError, match="8000 Hz, the network at 16000 Hz"):
        _task(notes)


@pytest.mark.parametrize("missing", ["train", "valid"])
def test_data_without_a_split_are_refused(make_notes, tmp_path, missing):
    pitches = {split: (60,) for split in ("train", "valid", "test") if split != missing}
    with pytest.raises(UsageError, match=f"no split '{missing}'"):
        _task(make_notes(tmp_path / "n", pitches=pitches))


def test_a_split_that_is_not_there_cannot_be_held_out(make_notes, tmp_path):
    notes = make_notes(tmp_path / "n", pitches={"train": (60,), "valid": (62,)})
    assert isinstance(notes, NotesDataset)
    with pytest.raises(UsageError, match="no split 'test'"):
        _task(notes).held_out(n_crops=1, split="test")


def test_weights_of_other_sizes_are_refused(notes):
    with pytest.raises(UsageError, match="other sizes"):
        NSynthTask(notes, NETWORK, TRAINING, NSynthNetwork(_with_pitch()))


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_a_decoder_learns_at_a_rate_of_its_own(notes, rate):
    task = _task(notes, decoder_rate=rate, warmup_steps=0, learning_rate=1e-3)
    network = NSynthNetwork(NETWORK)
    torch.nn.init.normal_(network.decoder.output.weight, std=0.3)  # zero, it would let no gradient pass
    trainer = task.trainer(network, "cpu")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trainer.update(task.batch(0))
    moved = {name: float((tensor - before[name]).abs().max()) for name, tensor in network.state_dict().items()}
    # Adam's first step has the size of the learning rate wherever there is a gradient.
    decoder = max(value for name, value in moved.items() if name.startswith("decoder."))
    encoder = max(value for name, value in moved.items() if name.startswith("encoder."))
    assert decoder == pytest.approx(1e-3 * rate, rel=0.05, abs=1e-12) and encoder == pytest.approx(1e-3, rel=0.05)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
@pytest.mark.parametrize("freeze", [True, False])
def test_a_frozen_encoder_stays_as_it_is_and_the_rest_learns(notes, optimizer, freeze):
    task = _task(notes, _driven(), freeze_encoder=freeze, optimizer=optimizer)
    network = task.build()
    torch.nn.init.normal_(network.decoder.output.weight, std=0.3)  # zero, it would let no gradient pass
    trainer = task.trainer(network, "cpu")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for step in range(2):
        trainer.update(task.batch(step))
    for tensors in (trainer.network.state_dict(), trainer.average):
        moved = {name.split(".")[0] for name, tensor in tensors.items() if not torch.equal(tensor, before[name])}
        assert moved - {"expansion"} == {"decoder", "levels"} | (set() if freeze else {"encoder"})


def test_notes_are_brought_to_one_level_and_training_varies_it(notes):
    task = _task(notes, batch_size=60, **PLAIN)
    margin, n = _margin(task), FRAMES * HOP
    levels = [note_level.loud_db(x[margin : margin + n]) for x in task.batch(0).audio.numpy()]
    assert max(levels) - min(levels) > nsynth_task.LEVEL_SPREAD_DB
    # A crop may lie in a note's tail, and its loudest part may be louder than the note's loud part as a whole.
    assert abs(np.median(levels) - nsynth_task.LEVEL_DB) < 4
    assert max(levels) < nsynth_task.LEVEL_DB + nsynth_task.LEVEL_SPREAD_DB + 3
    assert task.describe()["level_db"] == nsynth_task.LEVEL_DB


def test_of_silent_crops_few_are_learnt_from(make_notes, tmp_path, monkeypatch):
    notes = make_notes(tmp_path / "n", pitches={"train": (60,), "valid": (62,)}, n_samples=64_000)
    codes = notes.codes("train").copy()
    codes[:, 16_000:] = mulaw.SILENCE  # a pluck: silent for three of its four seconds
    monkeypatch.setattr(notes, "codes", lambda split: codes)

    def silent(kept):
        monkeypatch.setattr(nsynth_task, "SILENT_KEPT", kept)
        task = _task(notes, batch_size=200, **PLAIN)
        return float((task.batch(0).codes == mulaw.SILENCE).all(dim=1).float().mean())

    assert silent(1.0) > 0.4 and silent(0.2) < 0.35
