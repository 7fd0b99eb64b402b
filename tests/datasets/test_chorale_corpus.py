"""Chorales of music21's corpus as grids."""

from __future__ import annotations

import numpy as np
import pytest

from wavecore.datasets import chorale_corpus
from wavecore.errors import InputError, UsageError

music21 = pytest.importorskip("music21", reason="needs music21: pip install 'wavecore[data]'")


def score(*parts):
    """A music21 score of (offset, quarters, pitch) notes."""
    found = music21.stream.Score()
    for notes in parts:
        part = music21.stream.Part()
        for offset, quarters, pitch in notes:
            note = music21.note.Note(pitch)
            note.quarterLength = quarters
            part.insert(offset, note)
        found.insert(0, part)
    return found


STEADY = [(quarter, 1.0, 60) for quarter in range(4)]


def test_notes_lie_on_the_grid_and_short_voices_rest_at_the_end():
    soprano = [(0, 0.5, 72), (0.5, 1.5, 74), (3, 0.25, 76)]
    grid = chorale_corpus.grid_of(score(soprano, STEADY, STEADY, [(0, 2.0, 48)]), "x")
    assert grid.shape == (16, 4) and grid.dtype == np.int16
    assert grid[:, 0].tolist() == [72] * 2 + [74] * 6 + [-1] * 4 + [76] + [-1] * 3
    assert grid[:, 3].tolist() == [48] * 8 + [-1] * 8


def test_ties_are_one_note_and_grace_notes_none():
    tied = score(STEADY, STEADY, STEADY, STEADY)
    first, second = list(tied.parts[0].notes)[:2]
    first.tie, second.tie = music21.tie.Tie("start"), music21.tie.Tie("stop")
    grace = music21.note.Note(90).getGrace()
    tied.parts[1].insert(0, grace)
    grid = chorale_corpus.grid_of(tied, "x")
    assert (grid == 60).all()


def test_what_is_no_chorale_says_why():
    with pytest.raises(InputError, match="3 parts, a chorale has 4"):
        chorale_corpus.grid_of(score(STEADY, STEADY, STEADY), "x")
    with pytest.raises(InputError, match="x: the tenor has no notes"):
        chorale_corpus.grid_of(score(STEADY, STEADY, [], STEADY), "x")
    triplets = [(third / 3, 1 / 3, 60) for third in range(6)]
    with pytest.raises(InputError, match="x: 4 of 18 notes begin beside the grid"):
        chorale_corpus.grid_of(score(triplets, STEADY, STEADY, STEADY), "x")


@pytest.mark.slow
def test_a_chorale_of_the_corpus_is_read():
    grid = chorale_corpus.grid_of(music21.corpus.parse("bach/bwv269"), "bwv269")
    # "Aus meines Herzens Grunde" in G major and 3/4: a quarter g' | a half g', d'' | ...
    assert grid[:13:4, 0].tolist() == [67, 67, 67, 74]
    assert (grid[:, 0] >= grid[:, 3]).all()


@pytest.mark.slow
def test_pieces_that_cannot_be_read_are_named(monkeypatch):
    paths = [music21.corpus.getComposer("bach")[0]]
    monkeypatch.setattr(music21.corpus, "getComposer", lambda name: paths)
    told = []
    found, skipped = chorale_corpus.walk(lambda piece, name: 1 / 0, on_progress=lambda *done: told.append(done))
    assert (
        found == []
        and [reason for _, reason in skipped] == ["ZeroDivisionError: division by zero"]
        and told == [(1, 1)]
    )


def test_without_music21_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "music21", None)
    with pytest.raises(UsageError, match="pip install 'wavecore\\[data\\]'"):
        chorale_corpus.read_grids()
