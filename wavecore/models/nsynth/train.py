"""The training task of an NSynth autoencoder: its one update, its held-out loss, and samples while it trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wavecore.audio import mulaw, note_level
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.errors import UsageError
from wavecore.models.nsynth.config import NSynthConfig, NSynthTrainingConfig
from wavecore.models.nsynth.data import LEVEL_DB, Crops, NotesBatch
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.nn.generate import generate_blocks, open_generator
from wavecore.nn.oscillator import hz_to_midi
from wavecore.training import losses
from wavecore.training.autocast import autocast
from wavecore.training.task import Task
from wavecore.training.trainer import AveragedTrainer

SAMPLE_SECONDS, SAMPLE_NOTES = 2.0, 4
"""Length and number of the held-out notes that are reconstructed while a run goes on."""


class NSynthTrainer(AveragedTrainer):
    """One optimiser for encoder and decoder."""

    def __init__(self, network: NSynthNetwork, config: NSynthTrainingConfig, *, device: str = "cpu"):
        trained = {}
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(not (config.freeze_encoder and name.startswith("encoder.")))
            if parameter.requires_grad:
                trained[name] = parameter
        super().__init__(network, config, {"autoencoder": (trained, config.learning_rate)}, device=device)

    def relative_rate(self, name: str) -> float:
        """Return ``decoder_rate`` of the settings for the decoder's parameters, 1 for the others."""
        return self.config.decoder_rate if name.startswith("decoder.") else 1.0

    def loss(self, batch: NotesBatch) -> Tensor:
        """Return the cross-entropy of the codes, nats per sample."""
        logits = predict(self.network, batch, self.config.precision)
        return losses.reconstruction(logits, batch.codes, skip_samples=self.config.skip_samples)


def predict(network: NSynthNetwork, batch: NotesBatch, precision: str) -> Tensor:
    """Compute the logits, (B, T, A), of a batch in the number format ``precision`` of the training settings."""
    device = batch.audio.device
    midi = hz_to_midi(batch.f0_hz) if network.config.harmonics else None
    if network.config.encoder.kind == "cqt":  # the levels of quiet bins in dB are too coarse in bfloat16
        latent = network.encode(batch.audio, midi, whole=False)
    else:
        with autocast(precision, device):
            latent = network.encode(batch.audio, midi, whole=False).float()
    with autocast(precision, device):
        if network.config.harmonics:
            conditioning = network.sampled_condition(latent, batch.phase, batch.f0_hz, batch.offsets)
            return network.decoder(batch.context, conditioning)
        pitches = batch.pitches if network.config.pitch_channels else None
        return network(batch.codes, latent, pitches, context=batch.context)


class NSynthTask(Task):
    """An autoencoder and the notes that it is trained on.

    Raises
    ------
    UsageError
        If the notes are too short, at another rate, or lack the split train or valid, ``skip_samples`` leaves nothing
        of a crop, or ``initial`` has another configuration.
    """

    network_class = NSynthNetwork
    trainer_class = NSynthTrainer

    def __init__(
        self,
        dataset: NotesDataset,
        network_config: NSynthConfig,
        training: NSynthTrainingConfig,
        initial: NSynthNetwork | None = None,
    ):
        encoder = network_config.encoder
        for split in ("train", "valid"):
            dataset.notes(split)
        if dataset.sample_rate != encoder.sample_rate:
            raise UsageError(f"the notes are at {dataset.sample_rate} Hz, the network at {encoder.sample_rate} Hz")
        crop = training.crop_frames * encoder.hop_length
        if crop > dataset.n_samples:
            raise UsageError(
                f"a crop of {training.crop_frames} frames is longer than a note of {dataset.n_samples} samples"
            )
        if training.skip_samples >= crop:
            raise UsageError(f"skip_samples is {training.skip_samples}; nothing of a crop of {crop} samples is left")
        super().__init__(dataset, network_config, training, initial)
        self.samples_per_step = training.batch_size * crop
        self.sample_rate = encoder.sample_rate
        context_frames = self._network.encoder.context_frames
        self.crops = Crops(dataset, network_config, training, context_frames=context_frames)

    def batch(self, step: int) -> NotesBatch:
        """Return the batch of a step."""
        rng = np.random.default_rng((self.training.seed, step))
        return self.crops.draw(rng, "train", self.training.batch_size, augment=True)

    def held_out(self, *, n_crops: int, split: str = "valid") -> NotesBatch:
        """Return held-out crops, the same ones at every call."""
        return self.crops.draw(np.random.default_rng(0), split, n_crops, augment=False)

    @torch.no_grad()
    def validate(self, network: NSynthNetwork, device: str) -> dict[str, float]:
        """Measure a network on held-out crops.

        Returns
        -------
        dict of str to float
            ``valid/bits`` per sample, and ``valid/latent_worth``: the further bits with another note's latent, near
            zero where the decoder ignores it.
        """
        network = network.to(device)
        batch = self.held_out(n_crops=4 * self.training.validation_crops).to(torch.device(device))
        other = replace(batch, audio=batch.audio.roll(1, dims=0))
        bits, other_bits = (
            losses.bits(
                losses.reconstruction(
                    predict(network, crops, "float32"), crops.codes, skip_samples=self.training.skip_samples
                )
            )
            for crops in (batch, other)
        )
        return {"valid/bits": bits, "valid/latent_worth": other_bits - bits}

    def describe(self) -> dict:
        """Return the data set's summary, the range of pitches, and the level of the notes, dB of full scale."""
        pitches = self.crops.pitches["train"]
        return self.dataset.summary() | {"midi_range": [int(pitches.min()), int(pitches.max())], "level_db": LEVEL_DB}

    def write_samples(self, network: NSynthNetwork, folder: Path, *, step: int) -> None:
        """Write held-out notes and their reconstructions: ``input__NOTE.wav``, ``step-XXXXXXXX__NOTE.wav``."""
        # Training needs no libsndfile until something is written.
        from wavecore.audio import files

        config, dataset, rate = network.config, self.dataset, self.sample_rate
        notes, codes = dataset.notes("valid"), dataset.codes("valid")
        rows = np.linspace(0, len(notes) - 1, min(SAMPLE_NOTES, len(notes))).astype(int)
        hop = config.encoder.hop_length
        n_samples = min(dataset.n_samples, int(SAMPLE_SECONDS * rate)) // hop * hop
        sounds = np.stack([note_level.level(mulaw.decode(np.array(codes[row][:n_samples])), LEVEL_DB) for row in rows])
        pitches = torch.tensor([notes[row].pitch for row in rows])
        with torch.inference_mode():
            latent = network.encode(torch.from_numpy(sounds), pitches[:, None].float() if config.harmonics else None)
            conditioning = network.condition(latent, pitches if config.pitch_channels else None).numpy()
        generator = open_generator(network.decoder_state(), config.decoder, batch=len(rows), seed=0)
        generated = mulaw.decode(np.concatenate(list(generate_blocks(generator, conditioning)), axis=1))
        for row, sound, reconstruction in zip(rows, sounds, generated, strict=True):
            name = notes[row].note_str
            files.write(folder / f"input__{name}.wav", sound, rate, overwrite=True)
            files.write(folder / f"step-{step:08d}__{name}.wav", reconstruction, rate, overwrite=True)
