"""Convolutions along one axis, there and back, as one product of matrices each.

The kernels of a MuseGAN reach along one axis at a time, and most have steps as wide as themselves.  With
channels last such a layer is a product of matrices on a view of what came before: several times as fast on
a processor as the general routine for two or three dimensions, and cheap to differentiate twice.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2
"""Of leaky units below zero."""
QUIET = -1.0
"""Where cells begin, before tanh: -0.76 after it."""


class DrawnOut(nn.Module):
    """A transposed convolution whose kernel is its stride, batch norm and ReLU: every cell becomes several along one axis.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    kernel : tuple of int
        In steps and in pitches; one of them is 1.
    is_last : bool
        Whether it ends in tanh, with a bias in place of the norm.
    """

    def __init__(self, n_in: int, n_out: int, kernel: tuple[int, int], *, is_last: bool = False):
        super().__init__()
        self.convolution = nn.ConvTranspose2d(n_in, n_out, kernel, kernel, bias=is_last)
        self.norm = None if is_last else nn.BatchNorm1d(n_out)
        if is_last:  # most cells of music are silent; a generator that begins so need not learn it first
            nn.init.constant_(self.convolution.bias, QUIET)

    def forward(self, x: Tensor) -> Tensor:
        """Draw cells out.

        Parameters
        ----------
        x : Tensor, shape (N, steps, pitches, n_in)
            With one pitch where steps are drawn out.

        Returns
        -------
        Tensor, shape (N, steps * kernel[0], pitches * kernel[1], n_out)
        """
        weight = self.convolution.weight  # (n_in, n_out, *kernel)
        (n, steps, pitches, n_in), (more_steps, more_pitches), n_out = (
            x.shape,
            self.convolution.kernel_size,
            weight.shape[1],
        )
        cells = (x.reshape(-1, n_in) @ weight.permute(0, 2, 3, 1).reshape(n_in, -1)).view(-1, n_out)
        cells = (cells + self.convolution.bias).tanh() if self.norm is None else F.relu(self.norm(cells))
        return cells.view(n, steps * more_steps, pitches * more_pitches, n_out)


class Gathered(nn.Module):
    """A convolution of three dimensions that reaches along one of them, and a leaky unit.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    kernel : tuple of int
        In bars, steps and pitches; two of them are 1.
    stride : int
        Along the third.
    around : tuple of int
        Zeros before the first cell and after the last.
    """

    def __init__(
        self, n_in: int, n_out: int, kernel: tuple[int, int, int], stride: int, *, around: tuple[int, int] = (0, 0)
    ):
        super().__init__()
        self.convolution = nn.Conv3d(n_in, n_out, kernel)
        self.size, self.stride, self.around = max(kernel), stride, around

    def forward(self, x: Tensor) -> Tensor:
        """Gather cells.

        Parameters
        ----------
        x : Tensor, shape (..., length, n_in)
            The axis that the kernel reaches along stands before the channels.

        Returns
        -------
        Tensor, shape (..., length after, n_out)
        """
        if any(self.around):
            x = F.pad(x, (0, 0, *self.around))
        if self.size in (self.stride, x.shape[-2]):
            windows = x.unflatten(-2, (-1, self.size))
        else:
            windows = x.unfold(-2, self.size, self.stride).transpose(-1, -2)
        weight = self.convolution.weight.flatten(2).transpose(1, 2).flatten(1)  # (n_out, size * n_in)
        return F.leaky_relu(F.linear(windows.flatten(-2), weight, self.convolution.bias), SLOPE)
