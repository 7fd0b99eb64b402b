"""The melodies of a data set of songs, as those tasks read them that learn from one line."""

from __future__ import annotations

from wavecore.datasets.songs import SongsDataset
from wavecore.errors import InputError
from wavecore.symbolic.note_sequence import STEPS_PER_BEAT, NoteLine, read_line, without_long_rests

BEATS_OF_A_BAR = 4
"""For rests alone: recordings often lack a meter, or name a wrong one."""


def read_lines(
    dataset: SongsDataset, split: str, *, steps_per_beat: int = STEPS_PER_BEAT, chords: bool = False, shortest: int = 2
) -> list[NoteLine]:
    """Read the melody of every piece that has one.

    Parameters
    ----------
    split : {"train", "valid", "test"}
    chords : bool
        As of ``note_sequence.read_line``.
    shortest : int
        Notes that a melody needs.

    Returns
    -------
    list of NoteLine
        In the data's order; from their first note on, without rests of more than four beats.

    Raises
    ------
    InputError
        If none is long enough.
    """
    found = []
    for piece in dataset.pieces[split]:
        if all(part.is_drum or not part.events for part in piece.song.parts):
            continue
        line = read_line(piece.song, steps_per_beat=steps_per_beat, chords=chords)
        found.append(without_long_rests(line, BEATS_OF_A_BAR * steps_per_beat))
    long_enough = [line for line in found if line.n_notes >= shortest]
    if not long_enough:
        raise InputError(
            f"none of the {len(found)} melodies in {dataset.path} for {split} has {shortest} notes or more"
        )
    return long_enough
