from __future__ import annotations

import json

import numpy as np
import pytest

from wavecore.audio import mulaw
from wavecore.datasets.notes import build as notes_build
from wavecore.datasets.notes.programs import PROGRAMS
from wavecore.datasets.notes.reader import NotesDataset, split_folder
from wavecore.datasets.notes.soundfont_notes import SILENT_PEAK, build_notes, choose_programs, render_instrument
from wavecore.datasets.nsynth import pcm
from wavecore.datasets.nsynth.reader import NSynth
from wavecore.datasets.synths.soundfont import SoundFont
from wavecore.errors import InputError, OutputExistsError, UsageError

FEW = {"families": ["vocal"], "pitches": [60, 72], "velocities": [100]}
PROGRAM = {program.number: program for program in PROGRAMS}


@pytest.fixture(scope="module")
def sounds() -> SoundFont:
    try:
        return SoundFont()
    except (InputError, UsageError) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def built(sounds, tmp_path_factory) -> NotesDataset:
    return build_notes(tmp_path_factory.mktemp("data") / "notes", **FEW)


class Made:
    """Stands for a SoundFont: constant samples, by pitch and velocity."""

    def __init__(self, **peaks):
        self.peaks = {int(key[1:]): value for key, value in peaks.items()}

    def render(self, score, *, instrument, n_samples):
        (note,) = score.notes
        assert (note.onset_s, note.duration_s, n_samples) == (0.0, 3.0, 64_000)
        return np.full(n_samples, self.peaks[note.pitch] * note.velocity / 100, np.float32)

    def preset_name(self, instrument):
        return f"number {instrument}"


def test_the_published_layout(built):
    data = NSynth.open(built.path)
    assert data.splits == built.splits == ("train", "valid", "test")
    for split in data.splits:
        found = list(data.items(split))
        assert not data.skipped and tuple(note for note, _ in found) == built.notes(split)
        for (note, samples), codes in zip(found, built.codes(split), strict=True):
            assert note.note_str == f"{note.instrument_str}-{note.pitch:03d}-{note.velocity:03d}"
            assert np.array_equal(mulaw.encode(samples), codes)
            assert SILENT_PEAK < np.abs(samples).max() <= 1
    assert not (built.path / "parts").exists()


def test_instruments_of_one_split_are_in_no_other(built):
    instruments = [{note.instrument for note in built.notes(split)} for split in built.splits]
    assert sorted(number for group in instruments for number in group) == [52, 53, 54, 85, 91]
    # 85 and 91 share recordings.
    assert {85, 91} <= instruments[0]


def test_notes_are_numbered_once(built):
    notes = [note for split in built.splits for note in built.notes(split)]
    assert len({note.note for note in notes}) == len({note.note_str for note in notes}) == len(notes) == 10


def test_the_manifest_says_what_was_played(built):
    entry = built.manifest["instruments"]["vocal_acoustic_052"]
    assert entry["preset"] and entry["gain"] > 0 and entry["split"] in built.splits
    assert entry["silent"] == entry["clipped"] == []
    assert built.manifest["settings"]["pitches"] == [60, 72] and ".sf2" in built.manifest["source"]


def test_the_written_pitch_sounds_for_three_seconds(sounds):
    notes, samples, _ = render_instrument(sounds, PROGRAM[73], [72], [100])
    x = pcm.to_float(samples[0])
    spectrum = np.abs(np.fft.rfft(x[16_000:48_000] * np.hanning(32_000)))
    assert abs(spectrum.argmax() / 2 - 523.25) < 4
    rms = np.sqrt(np.square(x).reshape(40, 1_600).mean(axis=1))
    assert rms[28] > 0.5 * rms.max() and rms[-1] < 0.1 * rms.max()
    assert notes[0].instrument_str == "flute_acoustic_073"


def test_one_gain_for_all_notes_and_the_median_peak(sounds):
    notes, samples, report = render_instrument(Made(p60=0.1, p61=0.2, p62=0.4), PROGRAM[0], [60, 61, 62], [50, 100])
    assert report == {"preset": "number 0", "gain": 2.0, "silent": [], "clipped": []}
    assert [(note.pitch, note.velocity) for note in notes] == [(p, v) for p in (60, 61, 62) for v in (50, 100)]
    assert samples[:, 0].tolist() == [round(32_768 * level) for level in (0.1, 0.2, 0.2, 0.4, 0.4, 0.8)]


def test_silent_and_clipped_notes_are_left_out_and_named(sounds):
    made = Made(p60=0.1, p61=0.1, p62=0.1, p63=0.3, p64=0.0, p65=0.0007)
    notes, samples, report = render_instrument(made, PROGRAM[0], range(60, 66), [100])
    assert [note.pitch for note in notes] == [60, 61, 62] and samples.shape == (3, 64_000)
    assert report["clipped"] == ["keyboard_acoustic_000-063-100"]
    assert report["silent"] == ["keyboard_acoustic_000-064-100", "keyboard_acoustic_000-065-100"]


def test_an_instrument_that_is_silent_altogether():
    notes, samples, report = render_instrument(Made(p60=0.0), PROGRAM[0], [60], [50, 100])
    assert notes == [] and samples.shape == (0, 64_000) and len(report["silent"]) == 2


def test_the_same_build_gives_the_same_bytes_and_a_stopped_one_goes_on(built, tmp_path, monkeypatch):
    genuine, rendered = soundfont_notes._render_part, []

    def counted(task):
        if len(rendered) == 2:
            raise KeyboardInterrupt
        rendered.append(task.program.number)
        genuine(task)

    monkeypatch.setattr(soundfont_notes, "_render_part", counted)
    with pytest.raises(KeyboardInterrupt):
        build_notes(tmp_path / "a", **FEW)
    with pytest.raises(InputError, match="no finished data set"):
        NotesDataset.open(tmp_path / "a")
    with pytest.raises(UsageError, match="other settings"):
        build_notes(tmp_path / "a", **FEW | {"pitches": [60]})
    progress = []
    monkeypatch.setattr(soundfont_notes, "_render_part", genuine)
    again = build_notes(tmp_path / "a", on_progress=lambda *done: progress.append(done), **FEW)
    assert progress == [(i, 5) for i in range(2, 6)]
    files = [
        {path.relative_to(d.path): path.read_bytes() for path in d.path.rglob("*") if path.is_file()}
        for d in (built, again)
    ]
    assert files[0] == files[1]
    with pytest.raises(OutputExistsError, match="finished data set"):
        build_notes(tmp_path / "a", **FEW)


def test_stopped_before_the_manifest(built, tmp_path, monkeypatch):
    monkeypatch.setattr(soundfont_notes, "write_manifest", lambda *a, **b: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build_notes(tmp_path / "a", **FEW)
    monkeypatch.undo()
    monkeypatch.setattr(soundfont_notes, "_render_part", lambda task: pytest.fail("all was rendered"))
    assert build_notes(tmp_path / "a", **FEW).summary() | {"name": "notes"} == built.summary()


@pytest.mark.slow
def test_jobs_change_nothing(built, tmp_path):
    again = build_notes(tmp_path / "notes", jobs=2, **FEW)
    assert again.summary() == built.summary()


def test_programs_are_chosen_by_family_and_number():
    everything = {number: frozenset({number}) for number in range(128)}
    assert len(choose_programs(everything)) == 93
    assert [p.number for p in choose_programs(everything, programs=[40, 73, 0])] == [73, 0, 40]
    assert [p.number for p in choose_programs(everything, programs=[40, 73], families=["string"])] == [40]
    few = choose_programs(everything, families=["flute", "bass"], instruments=2)
    assert [program.number for program in few] == [32, 33, 72, 73]
    without = choose_programs(everything | {72: frozenset()}, families=["flute"], instruments=1)
    assert [program.number for program in without] == [73]


def test_senseless_requests_are_refused(sounds, tmp_path):
    for change, error, message in (
        ({"families": ["kazoo"]}, UsageError, "no family 'kazoo'; choose from bass"),
        ({"instruments": 0}, UsageError, "instruments is 0"),
        ({"programs": [40, 119]}, UsageError, "program 119 belongs to no family"),
        ({"pitches": [60, 128]}, UsageError, r"pitches are \[60, 128\]"),
        ({"pitches": []}, UsageError, "pitches are"),
        ({"velocities": [0]}, UsageError, "wanted one or more of 1 to 127"),
        ({"jobs": 0}, UsageError, "jobs is 0"),
        ({"soundfont_path": tmp_path / "none.sf2"}, InputError, r"none\.sf2"),
    ):
        with pytest.raises(error, match=message):
            build_notes(tmp_path / "a", **FEW | change)
    with pytest.raises(InputError, match="no program of vocal in bank 0"):
        choose_programs({}, families=["vocal"])
    assert not (tmp_path / "a").exists()


def test_other_files_in_the_folder_are_not_touched(sounds, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"is not empty \(mine\.txt\)"):
        build_notes(tmp_path, **FEW)


def test_nothing_that_sounds_is_an_error(sounds, tmp_path, monkeypatch):
    monkeypatch.setattr(soundfont_notes, "_play", lambda *key: np.zeros(64_000, np.float32))
    with pytest.raises(InputError, match=r"nothing sounds in .*\.sf2 at MIDI 60 to 72"):
        build_notes(tmp_path / "a", **FEW)


def test_a_family_that_is_partly_silent(built, sounds, tmp_path, monkeypatch):
    genuine = soundfont_notes._play

    def play(sounds, program, pitch, velocity):
        x = genuine(sounds, program, pitch, velocity)
        return 0 * x if program.number == 52 else x

    monkeypatch.setattr(soundfont_notes, "_play", play)
    dataset = build_notes(tmp_path / "a", **FEW)
    assert sum(dataset.summary()["notes"].values()) == 8
    assert len(dataset.manifest["instruments"]["vocal_acoustic_052"]["silent"]) == 2
    split = built.manifest["instruments"]["vocal_acoustic_052"]["split"]
    text = (dataset.path / split_folder(split) / "examples.json").read_text() if split in dataset.splits else "{}"
    assert not [name for name in json.loads(text) if name.startswith("vocal_acoustic_052")]
