import json

import numpy as np
import pytest

from wavecore.audio import mulaw
from wavecore.datasets.notes import build
from wavecore.datasets.notes.build import SILENT_PEAK, build_notes, choose_programs, render_instrument
from wavecore.datasets.notes.programs import PROGRAMS
from wavecore.datasets.notes.reader import NotesDataset, split_folder
from wavecore.datasets.nsynth import wav
from wavecore.datasets.nsynth.reader import NSynth
from wavecore.errors import InputError, OutputExistsError, UsageError

FEW = {"families": ["vocal"], "pitches": [60, 72], "velocities": [100]}
PROGRAM = {program.number: program for program in PROGRAMS}


@pytest.fixture(scope="module")
def built(sounds, tmp_path_factory) -> NotesDataset:
    return build_notes(tmp_path_factory.mktemp("data") / "notes", **FEW)


class Constant:
    """A synthesizer of constant samples, whose level is the pitch's and proportional to the velocity."""

    def __init__(self, levels: dict[int, float]):
        self.levels = levels

    def render(self, score, *, instrument, n_samples):
        (note,) = score.notes
        assert (note.onset_s, note.duration_s, n_samples) == (0.0, 3.0, 64_000)
        return np.full(n_samples, self.levels[note.pitch] * note.velocity / 100, np.float32)

    def preset_name(self, instrument):
        return f"number {instrument}"


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.slow
def test_the_layout_is_nsynths(built):
    data = NSynth(built.path)
    assert data.splits == built.splits == ("train", "valid", "test")
    for split in data.splits:
        items = list(data.items(split))
        assert not data.skipped and tuple(note for note, _ in items) == built.notes(split)
        for (note, samples), codes in zip(items, built.codes(split), strict=True):
            assert note.note_str == f"{note.instrument_str}-{note.pitch:03d}-{note.velocity:03d}"
            assert np.array_equal(mulaw.encode(samples), codes)
            assert SILENT_PEAK < np.abs(samples).max() <= 1
    assert not (built.path / "parts").exists()


@pytest.mark.slow
def test_instruments_are_in_one_split_and_notes_numbered_once(built):
    instruments = [{note.instrument for note in built.notes(split)} for split in built.splits]
    assert sorted(number for group in instruments for number in group) == [52, 53, 54, 85, 91]
    # 85 and 91 share recordings.
    assert {85, 91} <= instruments[0]
    notes = [note for split in built.splits for note in built.notes(split)]
    assert len({note.note for note in notes}) == len({note.note_str for note in notes}) == len(notes) == 10


@pytest.mark.slow
def test_the_manifest_describes_what_was_rendered(built):
    entry = built.manifest["instruments"]["vocal_acoustic_052"]
    assert entry["preset"] and entry["gain"] > 0 and entry["split"] in built.splits
    assert entry["silent"] == entry["clipped"] == []
    assert built.manifest["settings"]["pitches"] == [60, 72] and ".sf2" in built.manifest["source"]


def test_the_written_pitch_sounds_for_three_seconds(sounds):
    notes, samples, _ = render_instrument(sounds, PROGRAM[73], [72], [100])
    x = wav.to_float(samples[0])
    spectrum = np.abs(np.fft.rfft(x[16_000:48_000] * np.hanning(32_000)))
    assert abs(spectrum.argmax() / 2 - 523.25) < 4
    rms = np.sqrt(np.square(x).reshape(40, 1_600).mean(axis=1))
    assert rms[28] > 0.5 * rms.max() and rms[-1] < 0.1 * rms.max()
    assert notes[0].instrument_str == "flute_acoustic_073"


def test_all_notes_of_an_instrument_get_the_gain_of_the_median_peak():
    levels = {60: 0.1, 61: 0.2, 62: 0.4}
    notes, samples, report = render_instrument(Constant(levels), PROGRAM[0], [60, 61, 62], [50, 100])
    assert report == {"preset": "number 0", "gain": 2.0, "silent": [], "clipped": []}
    assert [(note.pitch, note.velocity) for note in notes] == [(p, v) for p in (60, 61, 62) for v in (50, 100)]
    assert samples[:, 0].tolist() == [round(32_768 * level) for level in (0.1, 0.2, 0.2, 0.4, 0.4, 0.8)]


def test_silent_and_clipped_notes_are_left_out_and_named():
    levels = {60: 0.1, 61: 0.1, 62: 0.1, 63: 0.3, 64: 0.0, 65: 0.0007}
    notes, samples, report = render_instrument(Constant(levels), PROGRAM[0], range(60, 66), [100])
    assert [note.pitch for note in notes] == [60, 61, 62] and samples.shape == (3, 64_000)
    assert report["clipped"] == ["keyboard_acoustic_000-063-100"]
    assert report["silent"] == ["keyboard_acoustic_000-064-100", "keyboard_acoustic_000-065-100"]
    notes, samples, report = render_instrument(Constant({60: 0.0}), PROGRAM[0], [60], [50, 100])
    assert notes == [] and samples.shape == (0, 64_000) and len(report["silent"]) == 2


@pytest.mark.slow
def test_a_build_that_was_stopped_continues_in_other_processes_with_the_same_bytes(built, tmp_path, monkeypatch):
    render, rendered, out = build._render_part, [], tmp_path / "a"

    def stop_at_the_third(task):
        if len(rendered) == 2:
            raise KeyboardInterrupt
        rendered.append(task.program.number)
        render(task)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(build, "_render_part", stop_at_the_third)
        build_notes(out, **FEW)
    with pytest.raises(InputError, match=str(out)):
        NotesDataset.open(out)
    with pytest.raises(UsageError, match="parts"):
        build_notes(out, **FEW | {"pitches": [60]})
    progress = []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(build, "write_manifest", interrupt)
        build_notes(out, jobs=2, on_progress=lambda *done: progress.append(done), **FEW)
    assert progress == [(i, 5) for i in range(2, 6)]
    with monkeypatch.context() as patch:
        patch.setattr(build, "_render_part", lambda task: pytest.fail("everything was rendered already"))
        build_notes(out, **FEW)
    files = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (built.path, out)
    ]
    assert files[0] == files[1]
    with pytest.raises(OutputExistsError):
        build_notes(out, **FEW)


@pytest.mark.slow
def test_silent_instruments_are_left_out_and_nothing_audible_is_an_error(built, tmp_path, monkeypatch):
    render_note = build._render_note

    def without_program_52(sounds, program, pitch, velocity):
        return render_note(sounds, program, pitch, velocity) * (program.number != 52)

    few = FEW | {"pitches": [60]}
    monkeypatch.setattr(build, "_render_note", without_program_52)
    dataset = build_notes(tmp_path / "a", **few)
    assert sum(dataset.summary()["notes"].values()) == 4
    assert dataset.manifest["instruments"]["vocal_acoustic_052"]["silent"] == ["vocal_acoustic_052-060-100"]
    split = built.manifest["instruments"]["vocal_acoustic_052"]["split"]
    path = dataset.path / split_folder(split) / "examples.json"
    assert not path.exists() or "vocal_acoustic_052-060-100" not in json.loads(path.read_text())
    monkeypatch.setattr(build, "_render_note", lambda *key: np.zeros(64_000, np.float32))
    with pytest.raises(InputError, match=r"\.sf2 at MIDI 60 to 60"):
        build_notes(tmp_path / "b", **few)


def test_programs_are_chosen_by_family_and_number():
    everything = {number: frozenset({number}) for number in range(128)}
    for options, numbers in (
        ({"programs": [40, 73, 0]}, [73, 0, 40]),
        ({"programs": [40, 73], "families": ["string"]}, [40]),
        ({"families": ["flute", "bass"], "instruments": 2}, [32, 33, 72, 73]),
    ):
        assert [program.number for program in choose_programs(everything, **options)] == numbers
    without = choose_programs(everything | {72: frozenset()}, families=["flute"], instruments=1)
    assert [program.number for program in without] == [73]
    assert len(choose_programs(everything)) == 93
    with pytest.raises(InputError, match="vocal"):
        choose_programs({}, families=["vocal"])


@pytest.mark.parametrize(
    ("change", "error", "fact"),
    [
        ({"families": ["kazoo"]}, UsageError, "'kazoo'.* bass"),
        ({"instruments": 0}, UsageError, "instruments is 0"),
        ({"programs": [40, 119]}, UsageError, "119"),
        ({"pitches": [60, 128]}, UsageError, r"pitches are \[60, 128\]"),
        ({"pitches": []}, UsageError, r"pitches are \[\]"),
        ({"velocities": [0]}, UsageError, r"velocities are \[0\]"),
        ({"jobs": 0}, UsageError, "jobs is 0"),
        ({"soundfont_path": "none.sf2"}, InputError, r"none\.sf2"),
    ],
)
def test_impossible_requests_are_refused(sounds, tmp_path, change, error, fact):
    with pytest.raises(error, match=fact):
        build_notes(tmp_path / "a", **FEW | change)
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_other_files_in_the_folder_are_not_touched(sounds, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"mine\.txt"):
        build_notes(tmp_path, **FEW)
