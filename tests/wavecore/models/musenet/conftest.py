"""Songs in two styles."""

import pytest

from wavecore.datasets.songs import Piece, SongsDataset, write_songs
from wavecore.symbolic.song import Event, Part, Song


@pytest.fixture(scope="session")
def songs(tmp_path_factory) -> SongsDataset:
    """Scales on C by a piano, and fifths on F sharp by a violin with drums; of many lengths."""

    def piece(number: int, style: str) -> Piece:
        if style == "scales":
            notes = (Event(24 * i, 60 + (0, 2, 4, 5)[(i + number) % 4], 24, 72) for i in range(6 + 5 * number))
            parts = (Part(tuple(notes)),)
        else:
            fifths = (Event(48 * i, pitch, 48) for i in range(4 + number) for pitch in (66, 73))
            parts = (Part(tuple(fifths), program=40), Part((Event(0, 36, 12),), is_drum=True))
        return Piece(Song(48, parts, name=f"{style}{number}"), style)

    numbers = {"train": range(6), "valid": range(6, 8), "test": [8, 9]}
    return write_songs(
        tmp_path_factory.mktemp("songs") / "data",
        {split: [piece(n, style) for n in some for style in ("fifths", "scales")] for split, some in numbers.items()},
    )
