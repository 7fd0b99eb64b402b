"""The model that ``wavecore.load`` returns for a MuseGAN: pieces, and the accompaniment of a given part."""

from dataclasses import replace

import pytest

from wavecore.errors import InputError, UsageError
from wavecore.models.base import load
from wavecore.symbolic.song import Meter, Tempo


@pytest.fixture(scope="module")
def free(models):
    return load(models / "free")


@pytest.fixture(scope="module")
def band(models):
    """A model with a given track."""
    return load(models / "band")


def test_a_piece_has_its_length_tracks_and_info(free):
    song = free.compose(7, seed=3, device="cpu")
    parts = [(part.name, part.program, part.is_drum) for part in song.parts]
    assert parts == [("lead", 65, False), ("low", 33, False), ("kit", 0, True)]
    assert song.tempos == (Tempo(0, 600_000),) and song.meters == (Meter(0, 4, 4),)
    assert 24 < song.end / song.ticks_per_beat <= 28
    notes = {part.name: len(part.events) for part in song.parts}
    assert song.info == {"model": "free", "model_sha256": free.sha256, "seed": 3, "bars": 7, "notes": notes}
    for options in ({"binarise": "bernoulli"}, {"vary": 0.0}):
        assert free.compose(7, seed=3, device="cpu", **options).parts != song.parts
    assert free.compose(device="cpu").info["bars"] == 16 and "2 bars of 8 steps" in repr(free)


def test_the_given_part_is_kept_with_its_meters_and_tempos(band, tune):
    song = band.compose(accompany=tune, seed=1, device="cpu")
    lead, fine = song.parts[0], tune.regrid(song.ticks_per_beat)
    assert (lead.name, lead.program, lead.events) == ("lead", 73, fine.parts[0].events)
    assert song.tempos == fine.tempos and song.meters == fine.meters
    assert len(song.parts) == 3 and all(part.events for part in song.parts) and song.info["bars"] == 2
    assert band.compose(accompany=tune, tempo=60, seed=1, device="cpu").tempos == (Tempo(0, 1_000_000),)
    assert "lead, low, kit to lead" in repr(band)


def test_pieces_and_lengths_that_do_not_fit(free, band, tune):
    with pytest.raises(UsageError, match="--given"):
        free.compose(accompany=tune, device="cpu")
    with pytest.raises(UsageError, match="'lead'"):
        band.compose(3, device="cpu")
    with pytest.raises(UsageError, match="3"):
        band.compose(3, accompany=tune, device="cpu")
    with pytest.raises(InputError, match="3/4"):
        band.compose(accompany=replace(tune, meters=(Meter(0, 3, 4),)), device="cpu")
    with pytest.raises(InputError, match="not 0"):
        free.compose(tempo=0, device="cpu")
