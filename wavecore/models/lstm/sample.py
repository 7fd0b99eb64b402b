"""Composing melodies with an LSTM with attention, note by note."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from wavecore.errors import UsageError
from wavecore.models.lstm.model import LSTM
from wavecore.nn.sampling import pick
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
    """Compose a line of ``n_steps`` steps of the grid, or of ``n_notes`` notes and rests; other options as of the API.

    The last note is cut at the end.  A prime is kept as it is, and counts; the network is conditioned on the nearest
    line of its vocabulary.  What is composed has no velocities.

    Raises
    ------
    UsageError
        If not exactly one length is given, a number is out of its range, or the prime is as long as the line.
    InputError
        If the prime has another grid.
    """
    length, unit = _length(n_steps, n_notes)
    if not 0 <= temperature < float("inf"):
        raise UsageError(f"temperature must be 0 or a positive number, not {temperature}")
    if top_k is not None and top_k < 1:
        raise UsageError(f"top_k must be at least 1, not {top_k}")
    vocabulary = network.config.vocabulary
    prime = NoteLine((), (), steps_per_beat=vocabulary.steps_per_beat) if prime is None else prime
    symbols, durations = list(prime.symbols), list(prime.durations)
    done = prime.n_steps if unit == "steps" else len(symbols)
    if done >= length:
        raise UsageError(f"the prime has {done} {unit} and leaves nothing to compose of a line of {length}")
    sampler = _Sampler(network, prime, rng, temperature, top_k)
    while done < length:
        note, duration = sampler.draw()
        n_steps_of_note = vocabulary.durations[duration]
        symbols.append(vocabulary.symbols[note])
        durations.append(min(n_steps_of_note, length - done) if unit == "steps" else n_steps_of_note)
        done += durations[-1] if unit == "steps" else 1
        if on_progress is not None:
            on_progress(done, length)
    return NoteLine(tuple(symbols), tuple(durations), steps_per_beat=vocabulary.steps_per_beat)


def _length(n_steps: int | None, n_notes: int | None) -> tuple[int, str]:
    """Return the length of a line and its unit."""
    if (n_steps is None) == (n_notes is None):
        raise UsageError("the length of a line is either n_steps or n_notes")
    length, unit = (n_notes, "notes") if n_steps is None else (n_steps, "steps")
    if not 1 <= length <= LONGEST:
        raise UsageError(f"a line has 1 to {LONGEST:,} {unit}, not {length}")
    return length, unit


class _Sampler:
    """Draws one note after the other, each conditioned on all before."""

    def __init__(self, network: LSTM, prime: NoteLine, rng: np.random.Generator, temperature: float, top_k: int | None):
        self.network, self.rng, self.temperature, self.top_k = network, rng, temperature, top_k
        self.device = next(network.parameters()).device
        self.state = None
        numbers = zip(network.config.start, network.config.vocabulary.encode(prime), strict=True)
        self.inputs = [np.concatenate([[start], encoded]) for start, encoded in numbers]

    @torch.inference_mode()
    def draw(self) -> tuple[int, int]:
        inputs = (torch.from_numpy(numbers)[None].to(self.device) for numbers in self.inputs)
        *logits, self.state = self.network(*inputs, self.state)
        self.inputs = [self._pick(one[:, -1].cpu().numpy()) for one in logits]
        return int(self.inputs[0][0]), int(self.inputs[1][0])

    def _pick(self, logits: np.ndarray) -> np.ndarray:
        kept = logits if self.top_k is None else keep_most_likely(logits, self.top_k)
        return pick(kept, self.rng, self.temperature)


def keep_most_likely(logits: np.ndarray, top_k: int) -> np.ndarray:
    """Return logits, shape (n, P), with all but the ``top_k`` largest, of equal ones the first, at minus infinity."""
    order = np.argsort(-logits, axis=1, kind="stable")[:, :top_k]
    kept = np.full_like(logits, -np.inf)
    np.put_along_axis(kept, order, np.take_along_axis(logits, order, axis=1), axis=1)
    return kept
