"""A classifier of notes by pitch, qualities, family and source.

A small convolutional network on log magnitudes: every frequency is a channel, as the harmonics of a pitch lie anywhere
in the spectrum, and the convolutions run over time.  It evaluates originals, reconstructions and interpolations, as in
the NSynth paper; the network used there is not published.

References
----------
Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", arXiv:1704.01279, section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wavecore.audio import dc, spectra
from wavecore.errors import UsageError
from wavecore.models.note_classifier.config import NoteClassifierConfig

N_PITCHES = 128
RANGE_DB = 80.0


@dataclass(frozen=True)
class NoteLogits:
    """Logits of B notes: classes of pitch (B, 128), family and source, and one logit for every quality."""

    pitch: Tensor
    quality: Tensor
    family: Tensor
    source: Tensor


class NoteClassifier(nn.Module):
    """The classifier."""

    kind = "note-classifier"

    def __init__(self, config: NoteClassifierConfig):
        super().__init__()
        self.config = config
        width = config.channels
        inputs = (config.n_fft // 2, width, width)
        self.layers = nn.ModuleList(nn.Conv1d(channels, width, 3, stride=2, padding=1) for channels in inputs)
        # The levels of neighbouring frequencies are correlated; without normalisation training is slow.
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for channels in (*inputs, width))
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.dropout = nn.Dropout(config.dropout)
        self._sizes = [N_PITCHES, len(config.qualities), len(config.families), len(config.sources)]
        self.heads = nn.Linear(2 * width, sum(self._sizes))
        # The harmonics of a pitch are visible in the mean spectrum: a linear map from it, without a hidden layer.
        self.harmonics = nn.Linear(inputs[0], N_PITCHES, bias=False)
        # All classes start with equal probability.
        for parameter in (*self.heads.parameters(), *self.harmonics.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, audio: Tensor) -> NoteLogits:
        """Compute the logits of notes.

        Parameters
        ----------
        audio : Tensor, shape (B, T), float in [-1, 1]
            From the onset on, at the classifier's rate, trained with T = ``config.n_samples``; the level has no effect.

        Raises
        ------
        InputError, UsageError
            If there are no samples, one is not finite, or the shape is another.
        """
        return self.classify(self.spectrum(audio))

    def spectrum(self, audio: Tensor) -> Tensor:
        """Return log magnitudes relative to their maximum, -80 to 0 dB as 0 to 1: (B, n_fft / 2, F)."""
        if audio.ndim != 2:
            raise UsageError(f"audio must have shape (B, T), not {tuple(audio.shape)}")
        if self.config.filtered:
            audio = dc.highpass(audio, self.config.sample_rate)
        magnitude = spectra.stft_magnitude(audio, n_fft=self.config.n_fft, hop_length=self.config.hop_length)
        return 1 + spectra.log_magnitude(magnitude[:, :-1], range_db=RANGE_DB) / RANGE_DB

    def classify(self, spectrum: Tensor) -> NoteLogits:
        """Compute the logits of log magnitudes, (B, n_fft / 2, F)."""
        x = self.norms[0](spectrum)
        templates = self.harmonics(x.mean(dim=-1))
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms[1:], strict=True)):
            x = torch.relu(norm(layer(self.dropout(x) if number else x)))
        # The mean represents what lasts, the maximum what happens once, such as an attack.
        pooled = torch.cat([x.mean(dim=-1), x.amax(dim=-1)], dim=1)
        pitch, *others = self.heads(self.dropout(pooled)).float().split(self._sizes, dim=1)
        return NoteLogits(pitch + templates.float(), *others)

    def card(self) -> dict:
        """Return what a model folder's card holds beside the sizes."""
        return {
            "sample_rate": self.config.sample_rate,
            "families": list(self.config.families),
            "sources": list(self.config.sources),
            "qualities": list(self.config.qualities),
        }
