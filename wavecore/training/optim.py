"""Muon: gradient descent that takes orthogonalised momentum as the step of a weight matrix.

Adam scales each weight by itself.  Muon replaces the momentum of a whole weight matrix by the nearest matrix with equal
singular values, so that directions in which the gradient is small are updated as far as those in which it is large.
Parameters that are no matrices (biases, the first filter, which has one input) take torch's Adam at the same rate.

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
from torch.optim.adam import adam

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
        As torch's optimisers take them; a group may have its own ``lr``, and ``tables``, true for embeddings, whose
        rows are looked up one at a time: they take Adam.
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
        """Take one step; parameters without a gradient stay.

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
            others: list[Tensor] = []
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                rows, columns = matrix_shape(parameter)
                if min(rows, columns) < SMALLEST or group.get("tables"):
                    others.append(parameter)
                else:
                    shapes.setdefault((rows, columns), []).append(parameter)
            self._adam(others, group["lr"])
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

    def _adam(self, parameters: list[Tensor], rate: float) -> None:
        """A step of all others, by torch's own Adam; the state has its names."""
        for parameter in parameters:
            if "step" not in self.state[parameter]:
                zeros = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                self.state[parameter].update(zeros, step=torch.tensor(0.0))
        states = [self.state[parameter] for parameter in parameters]
        adam(
            parameters,
            [parameter.grad for parameter in parameters],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )


def matrix_shape(parameter: Tensor) -> tuple[int, int]:
    """Return the rows and columns of a parameter as a matrix.

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
