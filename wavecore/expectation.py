"""What a decoder expects, in place of what it drew.

A WaveNet generates by drawing every sample from a distribution over 256 codes.  The draw keeps it
alive, but it is also noise: white, and as strong as the decoder was unsure.  Once a sound is there,
the decoder can be asked for each sample's mean given all before it, which costs one parallel pass
and takes the draw's noise and the codes' coarseness away; the sound stays what was drawn.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wavecore.audio import mulaw
from wavecore.errors import UsageError
from wavecore.models.wavenet import WaveNet


class Expectation:
    """Follows a sound that its decoder generates, block by block.

    Parameters
    ----------
    decoder : WaveNet
        That generates; it is moved to `device`.
    device : str
    """

    def __init__(self, decoder: WaveNet, *, device: str = "cpu"):
        self.decoder = decoder.to(device).eval()
        self.device = device
        config = decoder.config
        self._values = torch.from_numpy(mulaw.decode(np.arange(config.n_classes, dtype=np.uint8))).to(device)
        self._context = -(-config.receptive_field // config.hop_length)
        self._codes = np.zeros(0, np.uint8)
        self._latent = np.zeros((0, config.latent_channels), np.float32)

    @torch.inference_mode()
    def push(self, codes: np.ndarray, latent: np.ndarray) -> np.ndarray:
        """Take the next block and say what was expected in it.

        Parameters
        ----------
        codes : ndarray, shape (n,), uint8
            What was drawn; n is a multiple of the hop in all blocks but the last.
        latent : ndarray, shape (F, C), float32
            That conditioned it; F = ceil(n / hop_length).

        Returns
        -------
        ndarray, shape (n,), float32 in [-1, 1]
            The same whatever the blocks, but for rounding.

        Raises
        ------
        UsageError
            If the shapes do not fit, or a block follows one that was no multiple of the hop.
        """
        hop = self.decoder.config.hop_length
        if codes.ndim != 1 or latent.shape != (-(-len(codes) // hop), self.decoder.config.latent_channels):
            raise UsageError(f"{codes.shape} codes and a latent of {latent.shape} do not belong together, at {hop} samples a frame")
        if len(self._codes) % hop:
            raise UsageError(f"the last block was no multiple of {hop} samples; nothing can follow it")
        if not len(codes):
            return np.zeros(0, np.float32)
        before = len(self._codes)
        self._codes = np.concatenate([self._codes, codes])
        self._latent = np.concatenate([self._latent, latent.astype(np.float32)])
        found = self._mean(torch.from_numpy(self._codes.astype(np.int64))[None], torch.from_numpy(self._latent)[None])
        if len(self._codes) % hop == 0:
            self._codes, self._latent = self._codes[-self._context * hop :], self._latent[-self._context :]
        return found[0, before:].cpu().numpy()

    def _mean(self, codes: Tensor, latent: Tensor) -> Tensor:
        logits = self.decoder(codes.to(self.device), latent.to(self.device))
        return torch.softmax(logits.float(), dim=-1) @ self._values
