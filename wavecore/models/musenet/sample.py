"""Pieces by a MuseNet: what is asked for, token after token, and the best of several.

The window that the network hears holds the prefix and the newest tokens.  When it is full it slides: the
prefix and the newer half of the tokens stay, and the time in it counts anew, just as in training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from wavecore.errors import UsageError
from wavecore.nn.sampling import pick
from wavecore.models.musenet.features import Timeline
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.tokens import START, WAITS, begins_note, player, waits
from wavecore.symbolic.instruments import INSTRUMENTS, ordered

DEFAULT_TEMPO = 120.0
"""Beats a minute where none are asked for, as MIDI has it."""
SHIFT = 5.0
"""By how much less likely, in nats, notes of other instruments become than those that are asked for."""
MOST_IN_TICK = 64
"""Tokens at one time; then a wait must follow, or a piece could stand still for ever."""


@dataclass(frozen=True, eq=False)
class Wish:
    """What a piece is to be.

    Attributes
    ----------
    n_ticks : int
        Its length, 48 to a beat, the opening included.
    instruments : tuple of str
        None of them leaves it open.
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
            raise UsageError(
                f"an opening of shape {opening.shape} holds other numbers than tokens of music, 0 to {START - 1}"
            )
        length = int(waits(opening).sum())
        if length >= self.n_ticks:
            raise UsageError(
                f"the opening is {length} ticks long and the piece is to be {self.n_ticks}; nothing would be left to write"
            )

    @property
    def tempo(self) -> float:
        """Beats a minute."""
        return DEFAULT_TEMPO if self.beats_per_minute is None else self.beats_per_minute

    def prefix(self, network: MuseNet) -> np.ndarray:
        """Write it as tokens.

        Returns
        -------
        ndarray, shape (P,), int16

        Raises
        ------
        UsageError
            If the network does not know the style, or the tempo is none.
        """
        vocabulary = network.config.vocabulary
        return vocabulary.prefix(style=self.style, beats_per_minute=self.beats_per_minute, instruments=self.instruments)


def generate(
    network: MuseNet,
    wish: Wish,
    *,
    rng: np.random.Generator,
    n_samples: int = 1,
    temperature: float = 1.0,
    top_k: int | None = None,
    shift: float = SHIFT,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[np.ndarray]:
    """Write pieces.

    Parameters
    ----------
    network : MuseNet
        In evaluation mode, on any device.
    n_samples : int
        Pieces, drawn beside each other.
    temperature : float
        Divides the logits; 0 takes the likeliest token.
    top_k : int, optional
        Draw among so many tokens, the likeliest ones; among all if not given.
    shift : float
        Taken from the logits of notes that instruments begin which were not asked for.  They become rare and not impossible.
    on_progress : callable, optional
        Called with (ticks done by the slowest piece, ticks in all).

    Returns
    -------
    list of ndarray, shape (N,), int64
        Tokens of each piece, the opening in front, without the prefix.  All wait for ``wish.n_ticks`` in sum.

    Raises
    ------
    UsageError
        If a number is out of its range, or the wish cannot be said to the network.
    """
    if n_samples < 1 or not 0 <= temperature < float("inf") or (top_k is not None and top_k < 1) or not shift >= 0:
        raise UsageError(
            f"{n_samples} samples at temperature {temperature}, top_k {top_k}, shift {shift}: "
            "at least one sample and one token, and nothing below 0, is needed"
        )
    prefix = wish.prefix(network)
    lines = [Timeline(wish.n_ticks, wish.tempo) for _ in range(n_samples)]
    for line in lines:
        line.extend(wish.opening)
    players = _Players(network, [Begun(prefix, wish.opening, line) for line in lines])
    bias = _bias(wish.instruments, shift)
    while players.done < wish.n_ticks:
        logits = players.logits() + bias
        logits[players.standing_still(), :WAITS] = -np.inf
        if top_k is not None and top_k < START:
            least = np.partition(logits, -top_k, axis=1)[:, -top_k, None]
            logits = np.where(logits < least, -np.inf, logits)
        players.take(pick(logits, rng, temperature))
        if on_progress is not None:
            on_progress(min(players.done, wish.n_ticks), wish.n_ticks)
    return [_cut(row, wish.n_ticks) for row in players.bodies]


@dataclass(frozen=True, eq=False)
class Begun:
    """A piece that is to go on.

    Attributes
    ----------
    prefix : ndarray, shape (P,), integer
    body : ndarray, shape (N,), integer
        Its tokens so far.
    line : Timeline
        Of these tokens; it grows with the piece.
    begin : int
        The first token that the network hears.
    """

    prefix: np.ndarray
    body: np.ndarray
    line: Timeline
    begin: int = 0


def extended(network: MuseNet, begun: Sequence[Begun], n_tokens: int, *, rng: np.random.Generator) -> list[np.ndarray]:
    """Let pieces go on for a number of tokens, just as the network would have it.

    Parameters
    ----------
    network : MuseNet
        In evaluation mode.
    begun : sequence of Begun
        All with prefixes and windows of one length.

    Returns
    -------
    list of ndarray, shape (n_tokens,), int64
        What was added.
    """
    players = _Players(network, begun)
    for _ in range(n_tokens):
        players.take(pick(players.logits(), rng, 1.0))
    return [np.array(body[-n_tokens:], np.int64) for body in players.bodies]


@torch.inference_mode()
def scores(network: MuseNet, wish: Wish, bodies: Sequence[np.ndarray]) -> np.ndarray:
    """Let the inner critic judge pieces.

    Parameters
    ----------
    network : MuseNet
        With a critic.
    wish : Wish
        What was asked for; its opening is not judged.
    bodies : sequence of ndarray, shape (N,), integer
        From ``generate``.

    Returns
    -------
    ndarray, shape (n_samples,), float64
        Log odds of data against samples, the mean over the tokens that were written.

    Raises
    ------
    UsageError
        If the network has no critic.
    """
    prefix, device = wish.prefix(network), next(network.parameters()).device
    room, vectors = network.config.context - len(prefix), network.tokens()
    found = []
    for body in bodies:
        line, judged = Timeline(wish.n_ticks, wish.tempo), []
        line.extend(body)
        for begin in range(0, len(body), room):
            end = min(begin + room, len(body))
            tokens = torch.from_numpy(np.concatenate([prefix, body[begin:end]]).astype(np.int64))[None].to(device)
            features = torch.from_numpy(line.window(begin, end, n_prefix=len(prefix)))[None].to(device)
            odds = network.judge(network.hidden(network.embed(tokens, features, vectors)))[0, len(prefix) :]
            judged.append(odds[max(0, len(wish.opening) - begin) :].double().cpu().numpy())
        found.append(np.concatenate(judged).mean())
    return np.array(found)


def _bias(instruments: tuple[str, ...], shift: float) -> np.ndarray:
    """What is added to the logits of the music's tokens, shape (START,)."""
    numbers = np.arange(START)
    wanted = [INSTRUMENTS.index(name) for name in instruments]
    others = begins_note(numbers) & ~np.isin(player(numbers), wanted)
    return np.where(others & bool(wanted), -shift, 0.0)


def _cut(body: list[int], n_ticks: int) -> np.ndarray:
    """End where the piece ends: with a wait that reaches just there."""
    found = np.array(body, np.int64)
    ticks = np.cumsum(waits(found))
    last = int(np.searchsorted(ticks, n_ticks))
    found = found[: last + 1]
    found[last] -= ticks[last] - n_ticks
    return found


class _Players:
    """Pieces that grow by a token each at a time, and what the network remembers of them."""

    def __init__(self, network: MuseNet, begun: Sequence[Begun]):
        self.network, self.device = network, next(network.parameters()).device
        self.prefixes = np.array([one.prefix for one in begun], np.int64)
        self.room = network.config.context - self.prefixes.shape[1]
        self.bodies = [one.body.tolist() for one in begun]
        self.lines = [one.line for one in begun]
        self.begins = np.array([one.begin for one in begun])
        self.in_tick = np.zeros(len(begun), np.int64)
        self.cache = None

    @property
    def done(self) -> int:
        """Ticks of the slowest piece."""
        return min(line.tick for line in self.lines)

    def standing_still(self) -> np.ndarray:
        """Which pieces have said enough at one time."""
        return self.in_tick >= MOST_IN_TICK

    @torch.inference_mode()
    def logits(self) -> np.ndarray:
        """Ask for the next token of music, shape (n_samples, START), float64."""
        length = len(self.bodies[0]) - int(self.begins[0])  # the same in all
        if length > self.room:
            self.begins += length - max(1, self.room // 2)
            self.cache = None
        if self.cache is None:
            self.cache = self.network.new_cache()
            ahead = self.prefixes.shape[1]
            played = [body[begin:] for body, begin in zip(self.bodies, self.begins, strict=True)]
            tokens = np.concatenate([self.prefixes, np.array(played, np.int64)], axis=1)
            features = [
                line.window(begin, len(line), n_prefix=ahead)
                for line, begin in zip(self.lines, self.begins, strict=True)
            ]
        else:
            tokens = np.array([body[-1:] for body in self.bodies])
            features = [
                line.rows(len(line) - 1, len(line), begin=begin)
                for line, begin in zip(self.lines, self.begins, strict=True)
            ]
        given, cache = (
            (torch.from_numpy(np.asarray(values)).to(self.device) for values in (tokens, np.array(features))),
            self.cache,
        )
        hidden = self.network.hidden(self.network.embed(*given, cache.vectors, begin=cache.length), cache)[:, -1]
        return self.network.logits(hidden, cache.vectors)[:, :START].double().cpu().numpy()

    def take(self, drawn: np.ndarray) -> None:
        """Let every piece go on by the token that was drawn for it."""
        for row, token in enumerate(drawn.tolist()):
            self.bodies[row].append(token)
            self.lines[row].extend([token])
        self.in_tick = np.where(waits(drawn) > 0, 0, self.in_tick + 1)
