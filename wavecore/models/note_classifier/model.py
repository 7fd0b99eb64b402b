"""A listener that says of a note its pitch, qualities, family and source.

A small convolutional network on log magnitudes: every frequency is a channel,
as the harmonics of a pitch lie anywhere in the spectrum, and the convolutions
run over time.  It judges originals, reconstructions and what lies between
sounds, as in the NSynth paper's evaluation; the network there is not published.

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
    """What a classifier hears in B notes.

    Attributes
    ----------
    pitch : Tensor, shape (B, 128), float
        Of MIDI note numbers; their softmax is the posterior.
    quality : Tensor, shape (B, n_qualities), float
        Of bits; above 0 a bit is more likely set than not.
    family : Tensor, shape (B, n_families), float
    source : Tensor, shape (B, n_sources), float
    """

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
        # Levels of neighbouring frequencies rise and fall together, which without this is learnt from slowly.
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for channels in (*inputs, width))
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.dropout = nn.Dropout(config.dropout)
        self._sizes = [N_PITCHES, len(config.qualities), len(config.families), len(config.sources)]
        self.heads = nn.Linear(2 * width, sum(self._sizes))
        # Which harmonics a pitch has is seen in the spectrum at once, without a hidden layer.
        self.harmonics = nn.Linear(inputs[0], N_PITCHES, bias=False)
        # The answers start undecided.
        for parameter in (*self.heads.parameters(), *self.harmonics.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, audio: Tensor) -> NoteLogits:
        """Listen to notes.

        Parameters
        ----------
        audio : Tensor, shape (B, T), float
            From the onset on, in [-1, 1] at the classifier's rate; their level does not matter.  It
            learnt from notes of ``config.n_samples``.

        Raises
        ------
        InputError
            If there are no samples, or one of them is not finite.
        UsageError
            If the shape is another.
        """
        return self.classify(self.spectrum(audio))

    def spectrum(self, audio: Tensor) -> Tensor:
        """Log magnitudes against their own maximum.

        Parameters
        ----------
        audio : Tensor, shape (B, T), float

        Returns
        -------
        Tensor, shape (B, n_fft / 2, 1 + T // hop_length), float32 in [0, 1]
            0 is -80 dB or less; without the bin at half the rate.

        Raises
        ------
        InputError
            If there are no samples, or one of them is not finite.
        UsageError
            If the shape is another.
        """
        if audio.ndim != 2:
            raise UsageError(f"audio must have shape (B, T), not {tuple(audio.shape)}")
        if self.config.filtered:
            audio = dc.highpass(audio, self.config.sample_rate)
        magnitude = spectra.stft_magnitude(audio, n_fft=self.config.n_fft, hop_length=self.config.hop_length)
        return 1 + spectra.log_magnitude(magnitude[:, :-1], range_db=RANGE_DB) / RANGE_DB

    def classify(self, spectrum: Tensor) -> NoteLogits:
        """Tell notes by their log magnitudes.

        Parameters
        ----------
        spectrum : Tensor, shape (B, n_fft / 2, F), float in [0, 1]
        """
        x = self.norms[0](spectrum)
        templates = self.harmonics(x.mean(dim=-1))
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms[1:], strict=True)):
            x = torch.relu(norm(layer(self.dropout(x) if number else x)))
        # The mean hears what lasts, the maximum what happens once, such as a stroke.
        heard = torch.cat([x.mean(dim=-1), x.amax(dim=-1)], dim=1)
        pitch, *others = self.heads(self.dropout(heard)).float().split(self._sizes, dim=1)
        return NoteLogits(pitch + templates.float(), *others)

    def card(self) -> dict:
        """Say what a model folder's card holds beside the sizes."""
        return {
            "sample_rate": self.config.sample_rate,
            "families": list(self.config.families),
            "sources": list(self.config.sources),
            "qualities": list(self.config.qualities),
        }
