"""What trains an NSynth autoencoder: crops of single notes, its one update, its held-out loss."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from wavecore.audio import fundamental, mulaw, note_level
from wavecore.audio.pitch import midi_to_hz
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.errors import UsageError
from wavecore.models.nsynth.config import NSynthConfig, NSynthTrainingConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.nn.oscillator import N_PARTIALS, hz_to_midi
from wavecore.training import augmentation, losses
from wavecore.training.autocast import autocast
from wavecore.training.batch import TensorBatch
from wavecore.training.context_noise import spoil_history
from wavecore.training.trainer import AveragedTrainer

ONSET_PROBABILITY = 0.2
"""Share of crops that begin with the note: what happens there happens nowhere else."""
RELEASED_PROBABILITY = 0.15
"""Share of crops from anywhere, silence after the release included; the others begin while the key is held."""
HELD_S = 3.0
LEVEL_DB, LEVEL_SPREAD_DB = -20.0, 4.0
"""Of the loud part of every note; a crop is louder or less by up to the spread.  How loud a sound is to be is
told to nobody: whoever uses the model brings sounds to this level, and what it says to theirs."""
SILENT_DB = -50.0
SILENT_KEPT = 0.2
REDRAWN = 4
"""Share of the crops below that level that are kept at once, and how often others are drawn anew: one silence is
like another."""


@dataclass(frozen=True)
class NotesBatch(TensorBatch):
    """Crops of notes.

    Attributes
    ----------
    audio : Tensor, shape (B, (F + 2 * context_frames) * hop_length), float32 in [-1, 1]
        What the encoder hears.
    codes : Tensor, shape (B, F * hop_length), int64
        What the decoder is to say.
    history : Tensor, shape (B, F * hop_length), int64
        What it is told it has said.
    pitches : Tensor, shape (B,), int64
        MIDI note numbers.
    phase : Tensor, shape (B, F * hop_length), float32, radians
        Of the fundamental of what is to be said; (B, 0) for a network without an oscillator.
    offsets : Tensor, shape (B, F * hop_length, n_partials), float32, radians
        Of the other partials, relative to the fundamental; (B, 0) for a network without an oscillator.
    f0_hz : Tensor, shape (B, 1), float32
        Of the crop, which may be out of tune.
    """

    audio: Tensor
    codes: Tensor
    history: Tensor
    pitches: Tensor
    phase: Tensor
    offsets: Tensor
    f0_hz: Tensor


class NSynthTrainer(AveragedTrainer):
    """One optimiser for encoder and decoder."""

    def __init__(self, network: NSynthNetwork, config: NSynthTrainingConfig, *, device: str = "cpu"):
        learning = {}
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(not (config.freeze_encoder and name.startswith("encoder.")))
            if parameter.requires_grad:
                learning[name] = parameter
        groups = {"autoencoder": (learning, config.learning_rate)}
        super().__init__(network, config, groups, device=device)

    def relative_rate(self, name: str) -> float:
        """Say how fast a parameter learns, relative to the others.

        Returns
        -------
        float
            ``decoder_rate`` of the settings for the decoder's, 1 for the others.
        """
        return self.config.decoder_rate if name.startswith("decoder.") else 1.0

    def update(self, batch: NotesBatch) -> dict[str, float]:
        """Do one step.

        Returns
        -------
        dict of str to float
            ``bits`` per sample, ``gradient_norm``, ``learning_rate``.

        Raises
        ------
        ModelError
            If the loss is not finite.
        """
        batch = batch.to(self.device)
        logits = predict(self.network, batch, self.config.precision)
        nats = losses.reconstruction(logits, batch.codes, skip_samples=self.config.skip_samples)
        found = {"bits": losses.bits(nats.detach())} | self.descend("autoencoder", nats)
        self.finish_step()
        return found


def predict(network: NSynthNetwork, batch: NotesBatch, precision: str) -> Tensor:
    """Run a batch through encoder and decoder.

    Parameters
    ----------
    precision : str
        Of ``NSynthTrainingConfig``.

    Returns
    -------
    Tensor, shape (B, T, A), float
        Logits.
    """
    device = batch.audio.device
    midi = hz_to_midi(batch.f0_hz) if network.config.harmonics else None
    if network.config.encoder.kind == "cqt":  # levels in dB of quiet bins do not survive bfloat16
        latent = network.encode(batch.audio, midi, whole=False)
    else:
        with autocast(precision, device):
            latent = network.encode(batch.audio, midi, whole=False).float()
    with autocast(precision, device):
        if network.config.harmonics:
            return network.decoder(
                batch.history, network.sampled_condition(latent, batch.phase, batch.f0_hz, batch.offsets)
            )
        pitches = batch.pitches if network.config.pitch_channels else None
        return network(batch.codes, latent, pitches, history=batch.history)


class NSynthTask:
    """An autoencoder and the notes that it learns.

    Parameters
    ----------
    dataset : NotesDataset
        With the splits train and valid.
    training : NSynthTrainingConfig
        ``transpose_semitones`` detunes whole crops; what belongs to domains has no effect.
    initial : NSynthNetwork, optional
        Weights to start from; of the sizes ``network_config``.

    Raises
    ------
    UsageError
        If the notes are too short, at another rate, or lack a split, ``skip_samples`` leaves
        nothing of a crop, or ``initial`` has other sizes.
    """

    def __init__(
        self,
        dataset: NotesDataset,
        network_config: NSynthConfig,
        training: NSynthTrainingConfig,
        initial: NSynthNetwork | None = None,
    ):
        encoder = network_config.encoder
        missing = [split for split in ("train", "valid") if split not in dataset.splits]
        if missing:
            raise UsageError(f"{dataset.path} has no split {missing[0]!r}; training needs train and valid")
        if dataset.sample_rate != encoder.sample_rate:
            raise UsageError(f"the notes are at {dataset.sample_rate} Hz, the network at {encoder.sample_rate} Hz")
        if training.crop_frames * encoder.hop_length > dataset.n_samples:
            raise UsageError(
                f"a crop of {training.crop_frames} frames is longer than a note of {dataset.n_samples} samples"
            )
        if training.skip_samples >= training.crop_frames * encoder.hop_length:
            crop = training.crop_frames * encoder.hop_length
            raise UsageError(
                f"skip_samples is {training.skip_samples}, which leaves nothing of a crop of {crop} samples"
            )
        if initial is not None and initial.config != network_config:
            raise UsageError("the weights to start from belong to a network of other sizes than network_config")
        self.dataset, self.network_config, self.training = dataset, network_config, training
        self.data = str(dataset.path)
        self.samples_per_step = training.batch_size * training.crop_frames * encoder.hop_length
        self.sample_rate = encoder.sample_rate
        if initial is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(training.seed)
                initial = NSynthNetwork(network_config)
        self._network = initial
        self._pitches = {split: np.array([note.pitch for note in dataset.notes(split)]) for split in dataset.splits}

    def build(self) -> NSynthNetwork:
        """Return the network that is to be trained."""
        return self._network

    def trainer(self, network: NSynthNetwork, device: str) -> NSynthTrainer:
        """Build the trainer."""
        return NSynthTrainer(network, self.training, device=device)

    def batch(self, step: int) -> NotesBatch:
        """Draw the batch of a step."""
        rng = np.random.default_rng((self.training.seed, step))
        return self._batch(rng, "train", self.training.batch_size, augment=True)

    def held_out(self, *, n_crops: int, split: str = "valid") -> NotesBatch:
        """Draw the same held-out crops at every call.

        Parameters
        ----------
        split : {"valid", "test"}
        """
        return self._batch(np.random.default_rng(0), split, n_crops, augment=False)

    @torch.no_grad()
    def validate(self, network: NSynthNetwork, device: str) -> dict[str, float]:
        """Measure a network on held-out crops of unseen instruments.

        Returns
        -------
        dict of str to float
            ``valid/bits`` per sample, and ``valid/latent_worth``: what is lost with another note's
            latent, near zero where the decoder does not listen.
        """
        network = network.to(device)
        batch = self.held_out(n_crops=4 * self.training.validation_crops).to(torch.device(device))
        skip = self.training.skip_samples
        bits = losses.bits(losses.reconstruction(predict(network, batch, "float32"), batch.codes, skip_samples=skip))
        other = replace(batch, audio=batch.audio.roll(1, dims=0))
        deaf = losses.bits(losses.reconstruction(predict(network, other, "float32"), batch.codes, skip_samples=skip))
        return {"valid/bits": bits, "valid/latent_worth": deaf - bits}

    def describe(self) -> dict:
        """Summarise the data.

        Returns
        -------
        dict
            The data set's summary, the range of pitches, and ``level_db``, to which notes are
            brought (see ``audio.note_level``), dB of full scale.
        """
        pitches = self._pitches["train"]
        return self.dataset.summary() | {"midi_range": [int(pitches.min()), int(pitches.max())], "level_db": LEVEL_DB}

    def _batch(self, rng: np.random.Generator, split: str, n_crops: int, *, augment: bool) -> NotesBatch:
        hop, codes = self.network_config.encoder.hop_length, self.dataset.codes(split)
        margin = self._network.encoder.context_frames * hop
        n_samples = self.training.crop_frames * hop
        rows = rng.integers(0, len(codes), n_crops)
        audio, said, history, phases, offsets, f0s_hz = [], [], [], [], [], []
        for row in rows:
            x = mulaw.decode(np.array(codes[row]))
            x, bent = (self._audible_passage if augment else self._passage)(rng, x, n_samples, margin, augment=augment)
            inner = slice(margin, margin + n_samples)
            f0s_hz.append(float(midi_to_hz(self._pitches[split][row] + bent)))
            audio.append(x)
            said.append(mulaw.encode(x[inner]))
            history.append(
                spoil_history(said[-1], self.training, sample_rate=self.sample_rate, rng=rng) if augment else said[-1]
            )
            phase, ahead = (
                self._phases(x, f0s_hz[-1], inner) if self.network_config.harmonics else (np.zeros(0), np.zeros(0))
            )
            phases.append(np.mod(phase, 2 * np.pi).astype(np.float32))
            offsets.append(ahead.astype(np.float32))
        return NotesBatch(
            audio=torch.from_numpy(np.stack(audio)),
            codes=torch.from_numpy(np.stack(said)).long(),
            history=torch.from_numpy(np.stack(history)).long(),
            pitches=torch.from_numpy(self._pitches[split][rows]).long(),
            phase=torch.from_numpy(np.stack(phases)),
            offsets=torch.from_numpy(np.stack(offsets)),
            f0_hz=torch.tensor(f0s_hz)[:, None],
        )

    def _phases(self, x: np.ndarray, f0_hz: float, inner: slice) -> tuple[np.ndarray, np.ndarray]:
        """Of the fundamental, (T,), and of the partials relative to it, (T, n_partials), within a passage."""
        phase = fundamental.phase(x, f0_hz, self.sample_rate)
        # What lies further away than the pointers' means reach has no part in them.
        reach = min(inner.start, int(2 * fundamental.OFFSET_PERIODS * self.sample_rate / f0_hz))
        wide = slice(inner.start - reach, inner.stop + reach)
        ahead = fundamental.offsets(x[wide], phase[wide], f0_hz, self.sample_rate, N_PARTIALS)
        return phase[inner], ahead[reach : reach + inner.stop - inner.start]

    def _audible_passage(
        self, rng: np.random.Generator, x: np.ndarray, n_samples: int, margin: int, *, augment: bool
    ) -> tuple[np.ndarray, float]:
        for _ in range(REDRAWN):
            found, bent = self._passage(rng, x, n_samples, margin, augment=augment)
            power = float(np.square(found[margin : margin + n_samples]).mean())
            if power > 10 ** (SILENT_DB / 10) or rng.random() < SILENT_KEPT:
                break
        return found, bent

    def _passage(
        self, rng: np.random.Generator, x: np.ndarray, n_samples: int, margin: int, *, augment: bool
    ) -> tuple[np.ndarray, float]:
        """A crop with its context, silence where the note has none; and by how many semitones it was bent."""
        widest, bent = self.training.transpose_semitones if augment else 0.0, 0.0
        if widest:
            bent = rng.uniform(-widest, widest)
            positions = augmentation.tape_positions(len(x), semitones=(bent, bent))
            positions = positions[positions <= len(x) - 1]
            x = augmentation.read_at(x, positions)
        x = note_level.level(x, LEVEL_DB + (rng.uniform(-LEVEL_SPREAD_DB, LEVEL_SPREAD_DB) if augment else 0.0))
        # A note that is read faster may be shorter than the crop.
        kind, last = rng.random(), max(0, len(x) - n_samples)
        if kind < ONSET_PROBABILITY:
            begin = -int(rng.integers(0, n_samples // 2))
        elif kind < ONSET_PROBABILITY + RELEASED_PROBABILITY:
            begin = int(rng.integers(0, last + 1))
        else:
            begin = int(rng.integers(0, max(1, min(last, int(HELD_S * self.sample_rate)))))
        wanted = np.arange(begin - margin, begin + n_samples + margin)
        inside = (wanted >= 0) & (wanted < len(x))
        return np.where(inside, x[np.clip(wanted, 0, len(x) - 1)], np.float32(0)).astype(np.float32), bent
