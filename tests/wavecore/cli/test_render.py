"""``wavecore render`` from start to end, and what it refuses."""

import json

import numpy as np
import pytest

from wavecore.audio import files
from wavecore.symbolic import midi
from wavecore.symbolic.song import Event, Part, Song


@pytest.fixture
def score(tmp_path):
    parts = (
        Part((Event(0, 72, 96), Event(96, 74, 96)), "soprano"),
        Part((Event(0, 45, 192),), "bass"),
        Part((Event(0, 30, 96), Event(96, 110, 96)), "odd"),
    )
    midi.write(Song(480, parts), tmp_path / "tune.mid")
    return tmp_path / "tune.mid"


@pytest.fixture
def render(cli, model):
    return lambda *words: cli("render", "--through", "translation", "--model", model, "--device", "cpu", *words)


@pytest.mark.slow
def test_a_score_is_heard_and_everything_about_it_is_told(render, score, tmp_path):
    done = render(
        score, "--map", "bass=organ,1=strings", "--seed", "3", "--stems", tmp_path / "stems", "-o", tmp_path / "a.wav"
    )
    assert done.code == 0, done.err
    assert "soprano     strings       2 notes" in done.out and "bass        organ         1 note" in done.out
    assert "of the notes of odd lie outside the range of strings" in done.err
    sound, rate = files.read(tmp_path / "a.wav")
    assert rate == 16_000 and len(sound) == round(0.45 * rate) and np.abs(sound).max() > 0.5
    assert len(list((tmp_path / "stems").glob("*.wav"))) == 3
    sidecar = json.loads((tmp_path / "a.wav.json").read_text())
    assert (sidecar["seed"], sidecar["score"], len(sidecar["result"]["lines"])) == (3, str(score), 3)
    again = render(score, "--map", "bass=organ,1=strings", "--seed", "3", "--json", "-o", tmp_path / "b.wav")
    told = json.loads(again.out)
    assert (told["model"], told["seed"], told["path"], told["lines"][0]["instrument"]) == (
        "tiny",
        3,
        str(tmp_path / "b.wav"),
        "strings",
    )
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.slow
def test_nothing_is_replaced_unasked(render, score, tmp_path):
    out = tmp_path / "a.wav"
    out.write_bytes(b"mine")
    assert render(score, "-o", out).code == 6
    assert "skipped" in render(score, "-o", out, "--skip-existing").err
    assert out.read_bytes() == b"mine"
    assert render(score, "-o", out, "--overwrite").code == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--instrument", "tuba"], 2, "no instrument 'tuba'; choose from strings, organ"),
        (["--map", "viola=organ"], 2, "no part 'viola'"),
        (["--map", "organ"], 2, "PART=NAME is needed"),
        (["--map", "bass=organ,bass=strings"], 2, "named twice"),
        (["--model", "absent"], 4, "no model 'absent'"),
        (["--bank", "bank.npz"], 2, "--bank holds notes for --through nsynth"),
        (["--through", "nsynth"], 4, "kind 'translation', not 'nsynth'"),
    ],
)
def test_what_is_refused(render, score, tmp_path, words, code, message):
    done = render(score, "-o", tmp_path / "a.wav", *words)
    assert done.code == code and message in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tune.mid"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no MIDI file"),
        (b"", "cannot be read as MIDI"),
        (b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0", "without notes"),
    ],
)
def test_scores_that_are_none(render, tmp_path, content, message):
    if content is not None:
        (tmp_path / "x.mid").write_bytes(content)
    done = render(tmp_path / "x.mid", "-o", tmp_path / "a.wav")
    assert done.code == 3 and message in done.err
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.slow
def test_ten_thousand_notes_at_once_are_refused(render, tmp_path):
    midi.write(
        Song(480, tuple(Part(tuple(Event(0, pitch, 480) for pitch in range(128))) for _ in range(79))),
        tmp_path / "x.mid",
    )
    done = render(tmp_path / "x.mid", "-o", tmp_path / "a.wav")
    assert done.code == 3 and "more than 64 notes sound at once" in done.err
