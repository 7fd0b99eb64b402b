import argparse
import json

import numpy as np
import pytest

from wavecore.cli.data_notes import programs, velocities
from wavecore.console.flags import midi_range
from wavecore.datasets.notes import build as notes_build
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.datasets.nsynth import note as nsynth_note
from wavecore.datasets.nsynth import wav
from wavecore.datasets.synths import soundfont
from wavecore.errors import InputError


def can_render() -> bool:
    try:
        import fluidsynth  # noqa: F401

        soundfont.find_soundfont()
    except (ImportError, OSError, InputError):
        return False
    return True


rendering = pytest.mark.skipif(not can_render(), reason="FluidSynth or a SoundFont is not installed")


@pytest.fixture
def published(tmp_path):
    """Two notes to train with, one of them noise, and a broken one."""
    t = np.arange(64_000) / 16_000
    rng = np.random.default_rng(0)
    folder = tmp_path / "in" / "nsynth-train"
    (folder / "audio").mkdir(parents=True)
    notes = []
    for velocity, samples in ((50, np.sin(2 * np.pi * 440 * t)), (75, rng.uniform(-1, 1, 64_000)), (100, t)):
        note = nsynth_note.make(
            note=velocity, instrument=1, number=1, family="flute", source="acoustic", pitch=69, velocity=velocity
        )
        notes.append(note)
        (folder / "audio" / f"{note.note_str}.wav").write_bytes(wav.encode(wav.to_int16(samples), 16_000))
    (folder / "examples.json").write_text(nsynth_note.examples_text(notes))
    (tmp_path / "in" / "nsynth-train" / "audio" / "flute_acoustic_001-069-100.wav").write_text("hello")
    return tmp_path / "in"


def test_published_data_are_imported_and_checked(cli, published, tmp_path):
    out = tmp_path / "out"
    done = cli("data", "nsynth", published, "-o", out, "--check")
    assert done.code == 0, done.err
    assert "train" in done.out and "2 notes of 1 instrument" in done.out
    assert "skipped 1 broken item" in done.err and "flute_acoustic_001-069-100.wav is no WAV file" in done.err
    assert "1 item of noise, flute_acoustic_001-069-075 the first" in done.err
    assert f"--exclude {out / 'noise.txt'}" in done.err
    again = cli("data", "nsynth", published, "-o", tmp_path / "less", "--exclude", out / "noise.txt", "--json", "-q")
    found = json.loads(again.out)
    assert found["notes"] == {"train": 1} and found["broken"] == 1 and found["noise"] == 0
    assert found["data"] == str(tmp_path / "less") and found["source"] == "NSynth"


def test_filters_of_the_command_line(cli, published, tmp_path):
    words = [
        "--families",
        "flute,bass",
        "--sources",
        "acoustic",
        "--pitches",
        "60:70",
        "--velocities",
        "50,25",
    ]
    done = cli("data", "nsynth", published, *words, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    (note,) = NotesDataset.open(tmp_path / "out").notes("train")
    assert note.velocity == 50
    settings = NotesDataset.open(tmp_path / "out").manifest["settings"]
    assert settings["pitches"] == [60, 70] and settings["families"] == ["flute", "bass"]
    assert cli("data", "nsynth", published, "--qualities", "bright", "-o", tmp_path / "none").code == 3


def test_a_finished_data_set_is_not_replaced(cli, published, tmp_path):
    words = ["data", "nsynth", published, "-o", tmp_path / "out"]
    assert cli(*words).code == 0
    assert cli(*words).code == 6
    done = cli(*words, "--skip-existing")
    assert done.code == 0 and "skipped" in done.err and "2 notes" in done.out


@pytest.mark.slow
@rendering
def test_notes_of_a_soundfont_and_a_stopped_build_goes_on(cli, tmp_path, monkeypatch):
    out = tmp_path / "out"
    words = ["data", "soundfont", "--families", "flute", "--instruments", "3", "--pitches", "60:60"]
    words += ["--velocities", "100", "--jobs", "1", "-o", out]
    genuine, played = notes_build._render_part, []

    def once(task):
        if played:
            raise KeyboardInterrupt
        played.append(task)
        genuine(task)

    with monkeypatch.context() as patch:
        patch.setattr(notes_build, "_render_part", once)
        assert cli(*words).code == 130
    assert not (out / "manifest.json").exists()
    done = cli(*words, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["notes"] == {"train": 1, "valid": 1, "test": 1} and found["families"] == ["flute"]
    assert found["silent"] == found["clipped"] == 0
    assert "1 note of every instrument of flute" in done.err
    assert cli(*words).code == 6
    assert "1 note of 1 instrument" in cli(*words, "--skip-existing").out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["soundfont", "--families", "kazoo"], 2, "no family 'kazoo'"),
        (["soundfont", "--soundfont", "none.sf2"], 3, "none.sf2"),
        (["soundfont", "--pitches", "60:50"], 2, "LOW:HIGH"),
        (["soundfont", "--velocities", "0"], 2, "velocities are 1 to 127"),
        (["soundfont", "--programs", "128"], 2, "programs are 0 to 127"),
        (["soundfont", "--instruments", "0"], 2, "at least 1"),
        (["nsynth"], 2, "PATH"),
        (["nsynth", "nowhere"], 3, "there is no nowhere"),
        (["nsynth", "in", "--sources", "flute"], 2, "no 'flute'"),
        (["nsynth", "in", "--exclude", "list.txt"], 3, "cannot read the list list.txt"),
        (["nsynth", "in", "--families", "vocal"], 3, "no note of in meets the conditions"),
    ],
)
def test_what_cannot_be_built(cli, published, tmp_path, monkeypatch, words, code, says):
    monkeypatch.chdir(tmp_path)
    done = cli("data", *words, "-o", "out")
    assert done.code == code and says in done.err and done.out == ""
    assert not (tmp_path / "out").exists()


def test_ranges_and_lists():
    assert midi_range("24:30:3") == (24, 27, 30) and midi_range("60:61") == (60, 61)
    assert midi_range("0:127")[-1] == 127 and midi_range("60") == (60,)
    assert velocities("100, 25,100") == (25, 100)
    for text in ("", "60:", "a:b", "60:59", "0:128", "1:9:0", "1:2:3:4", "-1:5"):
        with pytest.raises(argparse.ArgumentTypeError, match="LOW:HIGH"):
            midi_range(text)
    for text in ("", "0", "128", "50,,60", "x"):
        with pytest.raises(argparse.ArgumentTypeError, match="1 to 127"):
            velocities(text)


def test_programs_and_ranges_of_them():
    assert programs("40") == (40,) and programs("6, 40-42,0,41") == (0, 6, 40, 41, 42)
    for text in ("", "a", "5-3", "1,,2", "128", "3-200", "-1"):
        with pytest.raises(argparse.ArgumentTypeError, match="programs are 0 to 127"):
            programs(text)
