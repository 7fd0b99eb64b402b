"""Configuration of the spectral autoencoder and the settings of its training."""

from __future__ import annotations

from dataclasses import dataclass

from wavecore.configuration import Config, option
from wavecore.errors import UsageError
from wavecore.training.config import TrainingConfig

VARIANTS = ("magnitude", "phase", "instantaneous")
N_LAYERS = 9


@dataclass(frozen=True)
class SpectralConfig(Config):
    """Sizes of a spectral autoencoder."""

    variant: str = option(
        "magnitude",
        "model log magnitudes alone, or with wrapped phases, or with instantaneous frequencies",
        choices=VARIANTS,
    )
    base_channels: int = option(
        16, "width of the first layers, a quarter of the last ones' (the paper's: 128)", least=1
    )
    latent_channels: int = option(1984, "width of the latent of a note", least=1)
    pitch_channels: int = option(128, "width of the pitch embedding given to the decoder; 0 for none", least=0)
    sample_rate: int = option(16_000, "sample rate, Hz")
    n_fft: int = option(1024, "window of the STFT, samples")
    hop_length: int = option(256, "hop of the STFT, samples", least=1)
    n_frames: int = option(256, "frames of a note, of which the last may be padding")

    def __post_init__(self):
        super().__post_init__()
        if self.n_fft // 2 != 2**N_LAYERS or self.n_frames != 2 ** (N_LAYERS - 1):
            raise UsageError(
                f"the layers halve 512 bins and 256 frames down to one; n_fft {self.n_fft} and n_frames "
                f"{self.n_frames} do not fit"
            )

    @property
    def image_channels(self) -> int:
        """1 for magnitudes, 2 with a phase."""
        return 1 if self.variant == "magnitude" else 2


@dataclass(frozen=True)
class SpectralTrainingConfig(TrainingConfig):
    """Settings of the training of the spectral baseline; ``configuration.describe_fields`` lists them."""

    validation_crops: int = option(8, "eighth of the held-out notes of a validation", least=1)
