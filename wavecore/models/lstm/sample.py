"""Going on with a line, note after note, as an LSTM with attention says.

Temperature 0 takes the likeliest of each, 1 draws from all that the model says, anything between is
safer, anything above wilder; of the likeliest only, where their number is given.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from wavecore.errors import UsageError
from wavecore.nn.sampling import pick
from wavecore.models.lstm.model import LSTM
from wavecore.symbolic.note_sequence import NoteLine

LONGEST = 100_000
"""Steps, or notes and rests, of a line."""


def compose(
    network: LSTM,
    *,
    rng: np.random.Generator,
    n_steps: int | None = None,
    n_notes: int | None = None,
    prime: NoteLine | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> NoteLine:
    """Write a line, or go on with one.

    Parameters
    ----------
    network : LSTM
        In evaluation mode, on any device.
    n_steps : int, optional
        Steps of the grid at which the line ends: what would sound on is cut there.
    n_notes : int, optional
        Notes and rests in all, in place of ``n_steps``.
    prime : NoteLine, optional
        How the line begins.  It stays as it is; the network hears what is nearest to it in its vocabulary.
    temperature : float
        Divides the logits of both heads; 0 takes the likeliest symbol and the likeliest duration.
    top_k : int, optional
        How many of the likeliest symbols, and durations, can be drawn; all if not given.
    on_progress : callable, optional
        Called with (steps or notes done, in all).

    Returns
    -------
    NoteLine
        The prime and what was drawn; without velocities.

    Raises
    ------
    UsageError
        If not just one length is given, a number is out of its range, or the prime is as long as the line already.
    InputError
        If the prime is on another grid.
    """
    most, unit = _length(n_steps, n_notes)
    if not 0 <= temperature < float("inf"):
        raise UsageError(f"temperature is {temperature}; it must be 0 (the likeliest) or positive")
    if top_k is not None and top_k < 1:
        raise UsageError(f"top_k is {top_k}; at least 1 is needed")
    vocabulary = network.config.vocabulary
    prime = NoteLine((), (), steps_per_beat=vocabulary.steps_per_beat) if prime is None else prime
    symbols, durations = list(prime.symbols), list(prime.durations)
    done = prime.n_steps if unit == "steps" else len(symbols)
    if done >= most:
        raise UsageError(f"the prime has {done} {unit}, and the line is to have {most}; nothing would be added to it")
    singer = _Singer(network, prime, rng, temperature, top_k)
    while done < most:
        note, duration = singer.draw()
        lasting = vocabulary.durations[duration]
        symbols.append(vocabulary.symbols[note])
        durations.append(min(lasting, most - done) if unit == "steps" else lasting)
        done += durations[-1] if unit == "steps" else 1
        if on_progress is not None:
            on_progress(done, most)
    return NoteLine(tuple(symbols), tuple(durations), steps_per_beat=vocabulary.steps_per_beat)


def _length(n_steps: int | None, n_notes: int | None) -> tuple[int, str]:
    """How long the line is to be, and in what."""
    if (n_steps is None) == (n_notes is None):
        raise UsageError("a line's length is said by n_steps or by n_notes, and by one of them only")
    most, unit = (n_notes, "notes") if n_steps is None else (n_steps, "steps")
    if not 1 <= most <= LONGEST:
        raise UsageError(f"a line of {most} {unit} cannot be written; 1 to {LONGEST:,} can")
    return most, unit


class _Singer:
    """A network that hears what it said."""

    def __init__(self, network: LSTM, prime: NoteLine, rng: np.random.Generator, temperature: float, top_k: int | None):
        self.network, self.rng, self.temperature, self.top_k = network, rng, temperature, top_k
        self.device = next(network.parameters()).device
        self.state = None
        start = [np.array([number]) for number in network.start]
        self.said = [np.concatenate(pair) for pair in zip(start, network.config.vocabulary.encode(prime), strict=True)]

    @torch.inference_mode()
    def draw(self) -> tuple[int, int]:
        heard = (torch.from_numpy(numbers)[None].to(self.device) for numbers in self.said)
        note_logits, duration_logits, self.state = self.network(*heard, self.state)
        drawn = [
            pick(self._best(logits[:, -1].cpu().numpy()), self.rng, self.temperature)
            for logits in (note_logits, duration_logits)
        ]
        self.said = drawn
        return int(drawn[0][0]), int(drawn[1][0])

    def _best(self, logits: np.ndarray) -> np.ndarray:
        return logits if self.top_k is None else best(logits, self.top_k)


def best(logits: np.ndarray, top_k: int) -> np.ndarray:
    """Leave the likeliest, and of equally likely ones the first.

    Parameters
    ----------
    logits : ndarray, shape (n, P), float
    top_k : int
        At least 1.

    Returns
    -------
    ndarray, shape (n, P), float
        Minus infinity elsewhere.
    """
    order = np.argsort(-logits, axis=1, kind="stable")[:, :top_k]
    found = np.full_like(logits, -np.inf)
    np.put_along_axis(found, order, np.take_along_axis(logits, order, axis=1), axis=1)
    return found
