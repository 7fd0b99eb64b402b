"""Coconet: a convolutional network that fills any cells of a four-voice grid from any others.

Its input is a piano roll and a mask of known cells for each voice.  Hidden cells are zero in both, and so are those
beyond the ends of a chorale, which thus differ from rests.

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
    """Distributions of the pitches of hidden cells given those of known ones."""

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
        """Return the logits of the pitches of each cell.

        Parameters
        ----------
        grid : Tensor, shape (B, T, 4), int64
            MIDI note numbers; those outside of the network's range, as -1, are rests.  Those of hidden cells have no
            effect.
        known : Tensor, shape (B, T, 4), bool
            False for hidden cells and beyond a chorale's ends.

        Returns
        -------
        Tensor, shape (B, T, 4, P), float32
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
        """Return the network's input: piano rolls of the voices, then masks of known cells, shape (B, 8, T, P)."""
        pitches = torch.arange(self.config.lowest, self.config.highest + 1, device=grid.device)
        rolls = (grid[..., None] == pitches) & known[..., None]
        masks = known[..., None].expand_as(rolls)
        planes = torch.cat([rolls, masks], dim=2).permute(0, 2, 1, 3).float()
        return planes.contiguous(memory_format=torch.channels_last)

    def card(self) -> dict:
        """Return what the model's card holds beside the configuration."""
        return {"voices": N_VOICES, "steps_per_quarter": 4}


class _Layer(nn.Module):
    """A convolution that keeps the size, followed by batch normalization."""

    def __init__(self, n_in: int, n_out: int, size: int, dilation: int, config: CoconetConfig):
        super().__init__()
        # Taps further away than half the pitches would nearly always lie outside of the roll.
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
    """Zero padding that keeps the size under a convolution; an odd number of zeros has the larger half behind."""

    def __init__(self, dilation: tuple[int, int], size: int):
        super().__init__()
        time, pitch = ((size - 1) * d for d in dilation)
        self.around = (pitch // 2, pitch - pitch // 2, time // 2, time - time // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.around)


class _Depthwise(nn.Module):
    """A dilated depthwise convolution.

    Every d-th row and column form an image of their own, which is convolved without dilation: four times as fast on a
    CPU, forward and backward, as PyTorch's dilated convolution.
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
