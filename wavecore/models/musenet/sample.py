"""Generation by a MuseNet: token after token under a prefix, and the critic's scores of the result.

The network's window holds the prefix and the newest tokens.  When it is full it moves: the prefix and the newer half of
the tokens stay, and the time in it counts anew, as in the windows of the training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from wavecore.errors import UsageError
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.tokens import START, WAITS, Timeline, instrument_numbers, is_onset, wait_ticks
from wavecore.nn.sampling import pick
from wavecore.symbolic.instruments import INSTRUMENTS, ordered

DEFAULT_TEMPO = 120.0
"""Beats per minute where none are requested, as in MIDI."""
SHIFT = 5.0
"""By how much, in nats, notes of other instruments than those requested become less likely."""
MAX_TOKENS_AT_ONCE = 64
"""Tokens at one time; then a wait is forced, so that every piece ends."""


@dataclass(frozen=True, eq=False)
class Request:
    """A piece to generate.

    Attributes
    ----------
    n_ticks : int
        Its length, 48 to a beat, the opening included.
    instruments : tuple of str
        Any if empty.
    opening : ndarray or sequence of int, shape (N,)
        Tokens with which it begins.

    Raises
    ------
    UsageError
        If an instrument is unknown, the opening holds other tokens than music, or it is as long as the piece.
    """

    n_ticks: int
    style: str | None = None
    beats_per_minute: float | None = None
    instruments: tuple[str, ...] = ()
    opening: np.ndarray | Sequence[int] = ()

    def __post_init__(self):
        object.__setattr__(self, "instruments", ordered(tuple(self.instruments)))
        opening = np.asarray(self.opening, np.int64)
        object.__setattr__(self, "opening", opening)
        if opening.ndim != 1 or (opening < 0).any() or (opening >= START).any():
            raise UsageError(f"an opening of shape {opening.shape} holds other numbers than tokens, 0 to {START - 1}")
        length = int(wait_ticks(opening).sum())
        if length >= self.n_ticks:
            raise UsageError(f"the opening has {length} ticks, the piece {self.n_ticks}: nothing is left to write")

    def prefix(self, network: MuseNet) -> np.ndarray:
        """Return the prefix, int16; raise UsageError if the network lacks the style or the tempo is not positive."""
        return network.config.vocabulary.prefix(
            style=self.style, beats_per_minute=self.beats_per_minute, instruments=self.instruments
        )

    def timeline(self, body: np.ndarray) -> Timeline:
        """Return the timeline of the piece as far as it is written."""
        tempo = DEFAULT_TEMPO if self.beats_per_minute is None else self.beats_per_minute
        timeline = Timeline(self.n_ticks, tempo)
        timeline.extend(body)
        return timeline


def generate(
    network: MuseNet,
    request: Request,
    *,
    rng: np.random.Generator,
    n_samples: int = 1,
    temperature: float = 1.0,
    top_k: int | None = None,
    shift: float = SHIFT,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[np.ndarray]:
    """Generate pieces.

    Parameters
    ----------
    network : MuseNet
        In evaluation mode, on any device.
    n_samples : int
        Pieces, which are generated as one batch.
    temperature : float
        Divides the logits; 0 takes the most likely token.
    top_k : int, optional
        Number of tokens, the most likely ones, that are sampled from; all if not given.
    shift : float
        Subtracted from the logits of notes of instruments that are not requested, which become rare but not impossible.
    on_progress : callable, optional
        Called with (ticks done by the slowest piece, ticks in all).

    Returns
    -------
    list of ndarray, shape (N,), int64
        Tokens of each piece, with the opening, without the prefix; their waits add up to ``request.n_ticks``.

    Raises
    ------
    UsageError
        If a number is out of its range, or as of ``Request.prefix``.
    """
    if n_samples < 1 or not 0 <= temperature < float("inf") or (top_k is not None and top_k < 1) or not shift >= 0:
        raise UsageError(
            f"{n_samples} samples at temperature {temperature}, top_k {top_k}, shift {shift}: at least one sample and "
            "one token are needed, and no number may be negative"
        )
    prefix, bias = request.prefix(network), _bias(request.instruments, shift)
    beginnings = [Beginning(prefix, request.opening, request.timeline(request.opening)) for _ in range(n_samples)]
    sampler = _Sampler(network, beginnings)
    while sampler.ticks < request.n_ticks:
        logits = sampler.logits() + bias
        logits[sampler.n_at_once >= MAX_TOKENS_AT_ONCE, :WAITS] = -np.inf
        if top_k is not None and top_k < START:
            least = np.partition(logits, -top_k, axis=1)[:, -top_k, None]
            logits = np.where(logits < least, -np.inf, logits)
        sampler.append(pick(logits, rng, temperature))
        if on_progress is not None:
            on_progress(min(sampler.ticks, request.n_ticks), request.n_ticks)
    return [_cut(body, request.n_ticks) for body in sampler.bodies]


def _bias(instruments: tuple[str, ...], shift: float) -> np.ndarray:
    """Return what is added to the logits of the tokens of music, shape (START,)."""
    tokens = np.arange(START)
    requested = [INSTRUMENTS.index(name) for name in instruments]
    others = is_onset(tokens) & ~np.isin(instrument_numbers(tokens), requested)
    return np.where(others & bool(requested), -shift, 0.0)


def _cut(body: list[int], n_ticks: int) -> np.ndarray:
    """End a piece with a wait that reaches exactly ``n_ticks``."""
    tokens = np.array(body, np.int64)
    ticks = np.cumsum(wait_ticks(tokens))
    last = int(np.searchsorted(ticks, n_ticks))
    tokens = tokens[: last + 1]
    tokens[last] -= ticks[last] - n_ticks
    return tokens


@dataclass(frozen=True, eq=False)
class Beginning:
    """A piece to continue: its prefix, its tokens, their timeline, which grows with it, and where the window begins."""

    prefix: np.ndarray
    body: np.ndarray
    timeline: Timeline
    begin: int = 0


def continue_pieces(
    network: MuseNet, beginnings: Sequence[Beginning], n_tokens: int, *, rng: np.random.Generator
) -> list[np.ndarray]:
    """Sample the next ``n_tokens`` tokens of pieces, int64, at temperature 1.

    The network is in evaluation mode; prefixes and windows of all pieces have the same lengths.
    """
    sampler = _Sampler(network, beginnings)
    for _ in range(n_tokens):
        sampler.append(pick(sampler.logits(), rng, 1.0))
    return [np.array(body[-n_tokens:], np.int64) for body in sampler.bodies]


class _Sampler:
    """Pieces that grow by a token each at a time, and the network's cache of them."""

    def __init__(self, network: MuseNet, beginnings: Sequence[Beginning]):
        self.network, self.device = network, next(network.parameters()).device
        self.prefixes = np.array([one.prefix for one in beginnings], np.int64)
        self.capacity = network.config.context - self.prefixes.shape[1]
        self.bodies = [one.body.tolist() for one in beginnings]
        self.timelines = [one.timeline for one in beginnings]
        self.begins = np.array([one.begin for one in beginnings])
        self.n_at_once = np.zeros(len(beginnings), np.int64)  # tokens since the last wait
        self.cache = None

    @property
    def ticks(self) -> int:
        """Length of the shortest piece."""
        return min(timeline.tick for timeline in self.timelines)

    @torch.inference_mode()
    def logits(self) -> np.ndarray:
        """Return the logits of the next token of music, shape (n, START), float64."""
        length = len(self.bodies[0]) - int(self.begins[0])  # the same for all
        if length > self.capacity:
            self.begins += length - max(1, self.capacity // 2)
            self.cache = None
        windows = list(zip(self.bodies, self.timelines, self.begins, strict=True))
        if self.cache is None:
            self.cache, n_prefix = self.network.new_cache(), self.prefixes.shape[1]
            bodies = np.array([body[begin:] for body, _, begin in windows], np.int64)
            tokens = np.concatenate([self.prefixes, bodies], axis=1)
            features = [line.window(begin, len(line), n_prefix=n_prefix) for _, line, begin in windows]
        else:
            tokens = np.array([body[-1:] for body in self.bodies])
            features = [line.rows(len(line) - 1, len(line), begin=begin) for _, line, begin in windows]
        inputs = (torch.from_numpy(np.asarray(values)).to(self.device) for values in (tokens, np.array(features)))
        x = self.network.embed(*inputs, self.cache.vectors, begin=self.cache.length)
        hidden = self.network.hidden(x, self.cache)[:, -1]
        return self.network.logits(hidden, self.cache.vectors)[:, :START].double().cpu().numpy()

    def append(self, tokens: np.ndarray) -> None:
        """Append a token to each piece."""
        for body, timeline, token in zip(self.bodies, self.timelines, tokens.tolist(), strict=True):
            body.append(token)
            timeline.extend([token])
        self.n_at_once = np.where(wait_ticks(tokens) > 0, 0, self.n_at_once + 1)


@torch.inference_mode()
def critic_scores(network: MuseNet, request: Request, bodies: Sequence[np.ndarray]) -> np.ndarray:
    """Score pieces by the inner critic.

    Parameters
    ----------
    bodies : sequence of ndarray, shape (N,), integer
        From ``generate``, for the same request.

    Returns
    -------
    ndarray, shape (n_samples,), float64
        Log odds of data against samples, the mean over the tokens behind the opening.

    Raises
    ------
    UsageError
        If the network has no critic.
    """
    prefix, device = request.prefix(network), next(network.parameters()).device
    capacity, vectors, scores = network.config.context - len(prefix), network.tokens(), []
    for body in bodies:
        timeline, log_odds = request.timeline(body), []
        for begin in range(0, len(body), capacity):
            end = min(begin + capacity, len(body))
            tokens = np.concatenate([prefix, body[begin:end]]).astype(np.int64)
            features = timeline.window(begin, end, n_prefix=len(prefix))
            inputs = (torch.from_numpy(values)[None].to(device) for values in (tokens, features))
            of_window = network.critic_logits(network.hidden(network.embed(*inputs, vectors)))[0, len(prefix) :]
            log_odds.append(of_window[max(0, len(request.opening) - begin) :].double().cpu().numpy())
        scores.append(np.concatenate(log_odds).mean())
    return np.array(scores)
