"""The WaveNet, decoder of the NSynth autoencoder and of the translation network.

References
----------
van den Oord et al., "WaveNet: A Generative Model for Raw Audio", arXiv:1609.03499.
Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", arXiv:1704.01279.
Mor et al., "A Universal Music Translation Network", arXiv:1805.07848.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.nn.config import WaveNetConfig
from wavecore.nn.layers import Affine, GatedLayer


class WaveNet(nn.Module):
    """A conditional WaveNet: predicts the distribution of every sample from those before it and a latent.

    Parameters
    ----------
    config : WaveNetConfig

    Examples
    --------
    >>> import torch
    >>> from wavecore.nn.config import WaveNetConfig
    >>> from wavecore.nn.wavenet import WaveNet
    >>> config = WaveNetConfig(1, 3, 2, 8, 8, 8, 8, latent_channels=4, hop_length=10)
    >>> codes, latent = torch.zeros(2, 25, dtype=torch.long), torch.zeros(2, 3, 4)
    >>> WaveNet(config)(codes, latent).shape
    torch.Size([2, 25, 256])
    """

    def __init__(self, config: WaveNetConfig):
        super().__init__()
        self.config = config
        self.first = _FirstFilter(config.kernel_size, config.residual_channels)
        self.first_skip = Affine(config.residual_channels, config.skip_channels)
        self.layers = nn.ModuleList(
            GatedLayer(config, dilation, last=index == config.n_layers)
            for index, dilation in enumerate(config.dilations, 1)
        )
        self.head = Affine(config.skip_channels, config.head_channels, gain=1.4)
        self.head_condition = Affine(config.latent_channels, config.head_channels, bias=False)
        # The predictions start uniform: the first loss is log2(n_classes) bits.
        self.output = Affine(config.head_channels, config.n_classes, gain=0.0)

    def forward(self, codes: Tensor, latent: Tensor) -> Tensor:
        """Compute the logits of a known sequence (teacher forcing).

        Parameters
        ----------
        codes : Tensor, shape (B, T), integer
            Mu-law codes, unshifted: ``logits[:, t]`` depends on ``codes[:, :t]`` only.
        latent : Tensor, shape (B, F, C), float
            Frame ``t // hop_length`` conditions sample ``t``; F * hop_length >= T.

        Returns
        -------
        Tensor, shape (B, T, A), float
            Logits of the code at every position.

        Raises
        ------
        UsageError
            If the shapes do not fit each other or the configuration.
        """
        self._check(codes, latent)
        batch, n_samples = codes.shape
        hop_length = self.config.hop_length
        n_frames = -(-n_samples // hop_length)
        padded = n_frames * hop_length
        latent = latent[:, :n_frames].transpose(0, 1)  # (F, B, C)
        scalar = codes.to(latent.dtype) / (self.config.n_classes - 1) - 0.5
        # Shifted right by one zero; zeros behind fill the last frame, and by causality have no effect.
        scalar = nn.functional.pad(scalar[:, :-1], (1, padded - n_samples)).t()  # (T', B)
        x = self.first(scalar)  # (T', B, R)
        skip = self.first_skip(x)
        for layer in self.layers:
            x, skip = layer(x, skip, latent, hop_length)
        skip = torch.relu(skip)  # (T', B, S)
        condition = self.head_condition(latent).unsqueeze(1)  # (F, 1, B, H)
        hidden = self.head(skip).view(n_frames, hop_length, batch, -1) + condition
        logits = self.output(torch.relu(hidden)).view(padded, batch, -1)
        return logits[:n_samples].transpose(0, 1)

    def _check(self, codes: Tensor, latent: Tensor) -> None:
        config = self.config
        if codes.ndim != 2 or codes.shape[1] == 0:
            raise UsageError(f"codes must have shape (B, T) with T > 0, not {tuple(codes.shape)}")
        if latent.ndim != 3 or latent.shape[0] != codes.shape[0] or latent.shape[2] != config.latent_channels:
            want = f"({codes.shape[0]}, F, {config.latent_channels})"
            raise UsageError(f"latent must have shape {want}, not {tuple(latent.shape)}")
        if latent.shape[1] * config.hop_length < codes.shape[1]:
            raise UsageError(
                f"{latent.shape[1]} latent frames of {config.hop_length} samples do not cover {codes.shape[1]} samples"
            )


class _FirstFilter(nn.Module):
    """The causal filter on the scalar input: ``weight`` (K, R), ``bias`` (R,)."""

    def __init__(self, kernel_size: int, out_channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(kernel_size, out_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, scalar: Tensor) -> Tensor:
        """Map the scalars (T, B) to the first residual stream (T, B, R)."""
        kernel_size = self.weight.shape[0]
        n_samples = scalar.shape[0]
        padded = nn.functional.pad(scalar, (0, 0, kernel_size - 1, 0))
        taps = torch.stack([padded[k : k + n_samples] for k in range(kernel_size)], dim=-1)  # (T, B, K)
        return taps @ self.weight + self.bias
