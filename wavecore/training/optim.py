"""Muon: gradient descent whose steps turn every direction of a matrix alike.

Adam scales each weight by itself.  Muon replaces the momentum of a whole weight matrix by the
nearest matrix with equal singular values, so that directions which the gradient shows faintly are
learnt as fast as its loudest ones.  What is no matrix (biases, the first filter, which has one
input) is left to Adam, with the same learning rate.

References
----------
Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024: the iteration.
Liu et al., "Muon is scalable for LLM training", arXiv:2502.16982: the size of a step, like Adam's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from wavecore.errors import UsageError

MOMENTUM = 0.95
BETAS = (0.9, 0.98)
"""Of Adam, for what is no matrix."""
EPSILON = 1e-8
ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic polynomial; it brings singular values between 0.7 and 1.2, which is as good as 1 here."""
SIZE = 0.2
"""Root mean square of a step at learning rate 1, about that of Adam's."""
SMALLEST = 16
"""Rows and columns that a matrix needs."""


class Muon(torch.optim.Optimizer):
    """Muon for matrices, Adam for the rest.

    Parameters
    ----------
    params : iterable of Parameter or of dict
        As torch's optimisers take them; groups may have a ``lr`` of their own, and ``tables``, true where rows are looked up, one at
        a time, as those of embeddings: they are Adam's.
    lr : float
        Learning rate; what is good for Adam is a start.

    Raises
    ------
    UsageError
        If the learning rate is negative or not finite.
    """

    def __init__(self, params: Iterable, lr: float):
        if not (math.isfinite(lr) and lr >= 0):
            raise UsageError(f"the learning rate must be finite and not negative, not {lr}")
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Do one step; parameters without a gradient stay.

        Parameters
        ----------
        closure : None
            Losses are not evaluated again.

        Raises
        ------
        UsageError
            If there is a closure.
        """
        if closure is not None:
            raise UsageError("Muon takes no closure")
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                rows, columns = matrix_shape(parameter)
                if min(rows, columns) < SMALLEST or group.get("tables"):
                    self._adam(parameter, group["lr"])
                else:
                    shapes.setdefault((rows, columns), []).append(parameter)
            for shape, parameters in shapes.items():
                self._muon(shape, parameters, group["lr"])

    def _muon(self, shape: tuple[int, int], parameters: list[Tensor], rate: float) -> None:
        """A step of matrices of one shape at once: a small product alone costs mostly its call."""
        directions = []
        for parameter in parameters:
            state = self.state[parameter]
            if "exp_avg" not in state:
                state["exp_avg"] = torch.zeros_like(parameter)
            momentum = state["exp_avg"].lerp_(parameter.grad, 1 - MOMENTUM)
            directions.append(parameter.grad.lerp(momentum, MOMENTUM).reshape(shape))  # Nesterov's
        steps = orthogonal(torch.stack(directions)) * (SIZE * math.sqrt(max(shape)))
        for parameter, step in zip(parameters, steps, strict=True):
            parameter.add_(step.view_as(parameter), alpha=-rate)

    def _adam(self, parameter: Tensor, rate: float) -> None:
        state = self.state[parameter]
        if "step" not in state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        n = float(state["step"])
        mean = state["exp_avg"].lerp_(parameter.grad, 1 - BETAS[0]) / (1 - BETAS[0] ** n)
        square = state["exp_avg_sq"].lerp_(parameter.grad.square(), 1 - BETAS[1]) / (1 - BETAS[1] ** n)
        parameter.addcdiv_(mean, square.sqrt().add_(EPSILON), value=-rate)


def matrix_shape(parameter: Tensor) -> tuple[int, int]:
    """Say how a parameter is a matrix.

    Parameters
    ----------
    parameter : Tensor, any shape
        Weights of torch's convolutions, (out, in, K), and of this package's filters, (K, in, out),
        are matrices of all taps.

    Returns
    -------
    rows, columns : int
        (1, n) of what has fewer than two axes.
    """
    if parameter.ndim < 2:
        return 1, parameter.numel()
    if parameter.ndim == 3 and parameter.shape[0] < parameter.shape[2]:  # (K, in, out)
        return parameter.shape[0] * parameter.shape[1], parameter.shape[2]
    return parameter.shape[0], parameter[0].numel()


def orthogonal(matrices: Tensor) -> Tensor:
    """Bring the singular values of matrices near 1, by Newton and Schulz's iteration.

    Parameters
    ----------
    matrices : Tensor, shape (n, rows, columns), float32

    Returns
    -------
    Tensor, shape (n, rows, columns), float32
        With the same singular vectors; singular values between about 0.7 and 1.2, but those below a
        thousandth of the Frobenius norm, which have not grown so far; zero where a matrix is zero.
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / x.flatten(1).norm(dim=1).clamp_min(1e-30)[:, None, None]
    for _ in range(ITERATIONS):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.transpose(1, 2) if tall else x
