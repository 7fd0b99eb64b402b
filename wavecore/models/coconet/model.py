"""Coconet: a convolutional network that fills any cells of a four-voice grid from any others.

It sees a chorale as piano rolls, one for each voice, with a second plane for each that says which
cells are known.  What is hidden is all zero in both; so is what lies beyond the ends, which
therefore does not look like silence.

References
----------
Huang, Cooijmans, Roberts, Courville and Eck, "Counterpoint by Convolution", ISMIR 2017.
Huang et al., "The Bach Doodle: Approachable Music Composition with Machine Learning at Scale",
ISMIR 2019: separable, dilated convolutions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wavecore.models.coconet.config import N_VOICES, CoconetConfig


class Coconet(nn.Module):
    """Pitches of hidden cells from those of known ones."""

    kind = "coconet"

    def __init__(self, config: CoconetConfig):
        super().__init__()
        self.config = config
        n, channels = config.n_layers, config.channels
        middle = [config.dilations[i % len(config.dilations)] for i in range(n - 3)]
        self.first = _Layer(2 * N_VOICES, channels, 3, 1, config)
        self.middle = nn.ModuleList(_Layer(channels, channels, 3, dilation, config) for dilation in middle)
        self.before_last = _Layer(channels, channels, 2, 1, config)
        self.last = _Layer(channels, N_VOICES, 2, 1, config)

    def forward(self, grid: Tensor, known: Tensor) -> Tensor:
        """Say how likely each pitch is in each cell.

        Parameters
        ----------
        grid : Tensor, shape (B, T, 4), int64
            MIDI numbers; anything below ``lowest`` or above ``highest``, as -1, is a rest.  Where a cell is not known its pitch is not looked at.
        known : Tensor, shape (B, T, 4), bool
            Cells that may be seen.  What lies beyond a chorale's ends is not known.

        Returns
        -------
        Tensor, shape (B, T, 4, P), float32
            Logits.
        """
        x = F.relu(self.first(self.planes(grid, known)))
        kept = x
        for i, layer in enumerate(self.middle):
            x = layer(x)
            if i % 2:
                x = kept = F.relu(x + kept)
            else:
                x = F.relu(x)
        return self.last(F.relu(self.before_last(x))).permute(0, 2, 1, 3).float()

    def planes(self, grid: Tensor, known: Tensor) -> Tensor:
        """Draw rolls and masks.

        Parameters
        ----------
        grid, known : Tensor, shape (B, T, 4)
            As of ``forward``.

        Returns
        -------
        Tensor, shape (B, 8, T, P), float32
            0 and 1: the voices' rolls, then where they are known.
        """
        pitches = torch.arange(self.config.lowest, self.config.highest + 1, device=grid.device)
        rolls = (grid[..., None] == pitches) & known[..., None]
        masks = known[..., None].expand_as(rolls)
        planes = torch.cat([rolls, masks], dim=2).permute(0, 2, 1, 3).float()
        return planes.contiguous(memory_format=torch.channels_last)

    def card(self) -> dict:
        """Say what a model folder tells of the network beside its sizes."""
        return {"voices": N_VOICES, "steps_per_quarter": 4}


class _Layer(nn.Module):
    """A convolution that keeps the size, and batch norm."""

    def __init__(self, n_in: int, n_out: int, size: int, dilation: int, config: CoconetConfig):
        super().__init__()
        # Taps further off than half the pitches are hardly ever inside.
        spread = (dilation, min(dilation, config.n_pitches // 2))
        if config.separable:
            self.convolution = nn.Sequential(_Depthwise(n_in, size, spread), nn.Conv2d(n_in, n_out, 1, bias=False))
        else:
            self.convolution = nn.Sequential(
                _Same(spread, size), nn.Conv2d(n_in, n_out, size, dilation=spread, bias=False)
            )
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.convolution(x))


class _Same(nn.Module):
    """Zeros around, so that a convolution keeps the size; of an even number the greater half lies behind."""

    def __init__(self, dilation: tuple[int, int], size: int):
        super().__init__()
        time, pitch = ((size - 1) * d for d in dilation)
        self.around = (pitch // 2, pitch - pitch // 2, time // 2, time - time // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.around)


class _Depthwise(nn.Module):
    """A dilated convolution of every channel for itself.

    Every d-th row and column are a picture of their own, which is convolved without dilation: what a
    processor does four times as fast, there and back.
    """

    def __init__(self, n_channels: int, size: int, dilation: tuple[int, int]):
        super().__init__()
        self.dilation = dilation
        self.same = _Same((1, 1), size)
        self.each = nn.Conv2d(n_channels, n_channels, size, groups=n_channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.dilation == (1, 1):
            return self.each(self.same(x))
        (n, channels, *sizes), (d, e) = x.shape, self.dilation
        rows, columns = (-(-size // step) for size, step in zip(sizes, self.dilation, strict=True))
        x = F.pad(x, (0, columns * e - sizes[1], 0, rows * d - sizes[0])).permute(0, 2, 3, 1)
        x = x.reshape(n, rows, d, columns, e, channels).permute(0, 2, 4, 1, 3, 5)
        x = self.each(self.same(x.reshape(n * d * e, rows, columns, channels).permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        x = x.reshape(n, d, e, rows, columns, channels).permute(0, 3, 1, 4, 2, 5)
        return x.reshape(n, rows * d, columns * e, channels)[:, : sizes[0], : sizes[1]].permute(0, 3, 1, 2)
