"""What tells written phrases from real ones: three-dimensional convolutions over bars, steps and pitches."""

from __future__ import annotations

from torch import Tensor, nn

from wavecore.models.musegan.config import MuseGANConfig
from wavecore.models.musegan.layers import SLOPE, Gathered


class Critic(nn.Module):
    """A number for a phrase: the higher, the more it is like the data.

    Its first layers compare each bar with the next and then all of these; after them pitches are gathered by octaves, and steps.  It
    has no batch norm: the penalty on its slope is one for each phrase.

    Parameters
    ----------
    n_tracks : int
        That it hears.
    """

    def __init__(self, n_tracks: int, config: MuseGANConfig):
        super().__init__()
        n, (octaves, octave) = config.critic_channels, config.pitch_factors
        self.over_bars = nn.Sequential(
            Gathered(n_tracks, 2 * n, (2, 1, 1), 1), Gathered(2 * n, n, (config.bars - 1, 1, 1), 1)
        )
        self.over_pitches = nn.Sequential(
            Gathered(n, n, (1, 1, octave), octave), Gathered(n, n, (1, 1, octaves), octaves)
        )
        steps, width = [], n
        factors = [factor for factor in reversed(config.step_factors) if factor > 1]
        for left, factor in zip(range(len(factors), 0, -1), factors, strict=True):
            # Windows of the last two layers are wider than their strides.
            n_out, more = {1: (4 * n, 1), 2: (2 * n, 2)}.get(left, (n, 0))
            steps.append(Gathered(width, n_out, (1, factor + more, 1), factor, around=(more // 2, more - more // 2)))
            width = n_out
        self.over_steps = nn.Sequential(*steps)
        self.last = nn.Sequential(nn.Linear(width, 8 * n), nn.LeakyReLU(SLOPE), nn.Linear(8 * n, 1))

    def forward(self, phrases: Tensor) -> Tensor:
        """Judge phrases.

        Parameters
        ----------
        phrases : Tensor, shape (B, bars, steps, pitches, n_tracks), float
            -1 where a cell is silent, 1 where it is lit.

        Returns
        -------
        Tensor, shape (B,)
        """
        x = self.over_bars(phrases.permute(0, 2, 3, 1, 4))[..., 0, :]  # (B, steps, pitches, channels)
        x = self.over_pitches(x)[..., 0, :]  # (B, steps, channels)
        return self.last(self.over_steps(x)[:, 0])[:, 0]
