"""A piece to a file."""

import numpy as np
import pytest

from wavecore.audio import files
from wavecore.errors import OutputExistsError, UsageError
from wavecore.rendering.sketch import CLOSE_S
from wavecore.rendering.song import render_song
from wavecore.symbolic.song import Event, Part, Song

OPTIONS = {"seed": 1, "backend": "auto", "device": "cpu"}


def test_a_piece_is_played_to_its_end_and_lines_add_up_to_it(player, piece, tmp_path):
    told = []
    result = render_song(
        player,
        piece,
        tmp_path / "out.wav",
        instrument="low",
        chosen={"tune": "high"},
        stems=tmp_path / "stems",
        on_progress=lambda *done: told.append(done),
        **OPTIONS,
    )
    mix, rate = files.read(tmp_path / "out.wav")
    assert (rate, len(mix)) == (16_000, round((0.75 + CLOSE_S) * 16_000))
    assert np.abs(mix).max() == pytest.approx(10 ** (-1 / 20), abs=1e-3)
    assert [(line.part, line.instrument, line.n_notes) for line in result.lines] == [
        ("Tune", "high", 3),
        ("part 2", "low", 1),
        ("part 2", "low", 1),
    ]
    assert [line.path for line in result.lines] == [
        str(tmp_path / "stems" / name) for name in ("01_Tune_high.wav", "02_part_2_low.wav", "03_part_2_low.wav")
    ]
    stems = [files.read(line.path)[0] for line in result.lines]
    np.testing.assert_allclose(sum(stems), mix, atol=4 * 2**-15)
    assert all(np.abs(stem).max() > 0 for stem in stems)
    assert told[-1] == (len(mix), len(mix))
    assert result.seconds == pytest.approx(len(mix) / rate) and result.realtime_factor > 0
    assert result.samples_per_s == pytest.approx(3 * rate * result.realtime_factor, rel=1e-6)


def test_a_bank_plays_by_programs_and_velocities(noter, bank, tmp_path):
    def part(velocity):
        return Part((Event(0, 72, 192, velocity),), str(velocity), 73)

    song = Song(96, (part(90), part(45)))
    result = render_song(noter, song, tmp_path / "out.wav", bank=bank, stems=tmp_path / "stems", **OPTIONS)
    assert [line.instrument for line in result.lines] == ["pipe", "pipe"]
    loud, soft = (files.read(line.path)[0] for line in result.lines)
    assert loud[:14_000].std() / soft[:14_000].std() == pytest.approx(4, rel=0.2)


def test_models_play_with_what_they_need(player, noter, bank, piece, tmp_path):
    with pytest.raises(UsageError, match="'nsynth' plays with a bank"):
        render_song(noter, piece, tmp_path / "out.wav", **OPTIONS)
    with pytest.raises(UsageError, match="'translation' plays without a bank"):
        render_song(player, piece, tmp_path / "out.wav", bank=bank, **OPTIONS)


def test_rests_are_silent(player, tmp_path):
    song = Song(96, (Part((Event(0, 60, 48), Event(288, 62, 48))),))  # rests from 0.25 s to 1.5 s
    render_song(player, song, tmp_path / "out.wav", **OPTIONS)
    sound = files.read(tmp_path / "out.wav")[0]
    assert not sound[int((0.25 + CLOSE_S) * 16_000) + 2 : int(1.46 * 16_000)].any()
    assert sound[: 16_000 // 4].any() and sound[24_000:28_000].any()


def test_the_same_seed_gives_the_same_bytes(player, piece, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        render_song(player, piece, tmp_path / f"{name}.wav", **(OPTIONS | {"seed": seed}))
    a, b, c = ((tmp_path / f"{name}.wav").read_bytes() for name in "abc")
    assert a == b != c


def test_nothing_is_replaced_unasked_and_nothing_is_left_half_written(player, piece, tmp_path):
    (tmp_path / "out.wav").write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        render_song(player, piece, tmp_path / "out.wav", **OPTIONS)
    assert (tmp_path / "out.wav").read_bytes() == b"mine"

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_song(player, piece, tmp_path / "new.wav", stems=tmp_path / "stems", on_progress=stop, **OPTIONS)
    assert not (tmp_path / "new.wav").exists() and not list((tmp_path / "stems").glob("*"))
    with pytest.raises(UsageError, match="a line's own file"):
        render_song(player, piece, tmp_path / "01_Tune_low.wav", stems=tmp_path, **OPTIONS)
