"""Rendering of songs to sounds and files."""

import numpy as np
import pytest

from wavecore.audio import files
from wavecore.errors import OutputExistsError, UsageError
from wavecore.rendering.api import render, render_file
from wavecore.rendering.sketch import CLOSE_S
from wavecore.symbolic.song import Event, Part, Song

OPTIONS = {"seed": 1, "device": "cpu"}


@pytest.mark.slow
def test_lines_add_up_to_the_mix(player, piece, tmp_path):
    progress = []
    result = render_file(
        player,
        piece,
        tmp_path / "out.wav",
        instrument="low",
        parts={"tune": "high"},
        stems=tmp_path / "stems",
        on_progress=lambda *done: progress.append(done),
        **OPTIONS,
    )
    mix, rate = files.read(tmp_path / "out.wav")
    assert (rate, len(mix)) == (16_000, round((0.75 + CLOSE_S) * 16_000))
    assert np.abs(mix).max() == pytest.approx(10 ** (-1 / 20), abs=1e-3)
    lines = [(line.part, line.instrument, line.n_notes) for line in result.lines]
    assert lines == [("Tune", "high", 3), ("part 2", "low", 1), ("part 2", "low", 1)]
    names = ("01_Tune_high.wav", "02_part_2_low.wav", "03_part_2_low.wav")
    assert [line.path for line in result.lines] == [str(tmp_path / "stems" / name) for name in names]
    stems = [files.read(line.path)[0] for line in result.lines]
    np.testing.assert_allclose(sum(stems), mix, atol=4 * 2**-15)
    assert all(np.abs(stem).max() > 0 for stem in stems)
    assert progress[-1] == (len(mix), len(mix))
    assert result.seconds == pytest.approx(len(mix) / rate) and result.realtime_factor > 0
    assert result.samples_per_s == pytest.approx(3 * rate * result.realtime_factor, rel=1e-6)


@pytest.mark.slow
def test_sounds_equal_files_and_report_how_they_were_made(player, tmp_path):
    piece = Song(96, (Part((Event(0, 60, 9),)),))
    sounds = [render(piece, model=player, seed=seed, temperature=0.8, device="cpu") for seed in (1, 2)]
    render_file(player, piece, tmp_path / "out.wav", temperature=0.8, **OPTIONS)
    np.testing.assert_allclose(files.read(tmp_path / "out.wav")[0], sounds[0].samples, atol=2**-15)
    assert not np.array_equal(sounds[0].samples, sounds[1].samples)
    made = {"model": "player", "model_sha256": player.sha256, "seed": 1, "temperature": 0.8}
    assert sounds[0].rate == 16_000 and sounds[0].info == made
    made = render(piece, model=player.path, instrument="high", device="cpu").info  # a seed is drawn
    assert made["temperature"] == player.temperature and made["seed"] >= 0


@pytest.mark.slow
def test_bank_plays_by_programs_and_velocities(noter, bank, tmp_path):
    song = Song(96, tuple(Part((Event(0, 72, 192, velocity),), str(velocity), 73) for velocity in (90, 45)))
    result = render_file(noter, song, tmp_path / "out.wav", bank=bank, stems=tmp_path / "stems", **OPTIONS)
    assert [line.instrument for line in result.lines] == ["pipe", "pipe"]
    loud, soft = (files.read(line.path)[0] for line in result.lines)
    assert loud[:14_000].std() / soft[:14_000].std() == pytest.approx(4, rel=0.2)


@pytest.mark.slow
def test_rests_are_silent(player):
    song = Song(96, (Part((Event(0, 60, 48), Event(288, 62, 48))),))  # rests from 0.25 s to 1.5 s
    samples, rate = render(song, model=player, **OPTIONS)
    assert not samples[int((0.25 + CLOSE_S) * rate) + 2 : int(1.46 * rate)].any()
    assert samples[: rate // 4].any() and samples[24_000:28_000].any()


@pytest.mark.slow
def test_files_are_complete_and_not_replaced(player, piece, tmp_path):
    (tmp_path / "out.wav").write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        render_file(player, piece, tmp_path / "out.wav", **OPTIONS)
    assert (tmp_path / "out.wav").read_bytes() == b"mine"

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_file(player, piece, tmp_path / "new.wav", stems=tmp_path / "stems", on_progress=stop, **OPTIONS)
    assert not (tmp_path / "new.wav").exists() and not list((tmp_path / "stems").glob("*"))
    with pytest.raises(UsageError, match="01_Tune_low"):
        render_file(player, piece, tmp_path / "01_Tune_low.wav", stems=tmp_path, **OPTIONS)


@pytest.mark.slow
def test_models_and_banks_that_do_not_fit(player, bank, piece):
    with pytest.raises(UsageError, match="player.*'translation'"):
        render(piece, model=player, bank=bank, **OPTIONS)
    with pytest.raises(UsageError, match="coconet"):
        render(piece, model="coconet", **OPTIONS)
