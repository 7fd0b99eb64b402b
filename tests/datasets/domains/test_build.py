from __future__ import annotations

import numpy as np
import pytest

from wavecore.audio import mulaw
from wavecore.datasets.domains import build
from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.build import build_domains
from wavecore.datasets.domains.excerpts import ExcerptSettings
from wavecore.datasets.domains.players import DomainSpec, Section
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.datasets.splits import split_of
from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.symbolic.score import Note, Score

RATE = 16_000
SPECS = (
    DomainSpec("organ", "reed organ"),
    DomainSpec("harpsichord", "harpsichord"),
    DomainSpec("whistle", "whistle", whistled=0.5),
)
SHORT = {"seconds": 9, "excerpt_seconds": (1.0, 1.5), "seed": 3}


def song(name: str, seed: int) -> Score:
    rng = np.random.default_rng(seed)
    notes = (Note(0.25 * i, 0.25, int(p), 90) for i, p in enumerate(60 + rng.integers(0, 15, 60)))
    return Score(tuple(notes), name, "made up", "CC0")


SONGS = tuple(song(f"song/{i}", i) for i in range(8))


@pytest.fixture(scope="module")
def built(sounds, tmp_path_factory) -> DomainsDataset:
    out = tmp_path_factory.mktemp("data") / "set"
    build_domains(SONGS, SPECS, out=out, **SHORT)
    return DomainsDataset.open(out)


def test_every_piece_is_in_every_domain_and_as_long(built):
    assert built.paired
    assert built.domains == ("organ", "harpsichord", "whistle")
    seconds = sum(piece.seconds for piece in built.manifest.pieces)
    assert seconds >= 9
    for piece in built.manifest.pieces:
        lengths = {len(built.codes(piece, name)) for name in built.domains}
        assert lengths == {round(piece.seconds * RATE)}
        assert (piece.source, piece.licence) == ("made up", "CC0")
    assert built.verify() == []
    assert not (built.path / "parts").exists()


def test_no_tune_is_in_two_splits(built):
    for piece in built.manifest.pieces:
        assert piece.split == split_of(piece.tune)
        assert all(f"-{piece.split}.npy" in where.shard for where in piece.domains.values())


def test_the_domains_sound_at_the_same_time_and_are_not_the_same(built):
    for piece in built.manifest.pieces[:3]:
        sounds = {name: mulaw.decode(built.codes(piece, name)).astype(np.float64) for name in built.domains}
        end_s = max(onset + duration for onset, duration, _, _ in piece.notes)
        for x in sounds.values():
            # All start with the first note; the tail after the last one is nearly silent.
            level = np.sqrt(np.mean(x[: round(0.3 * RATE)] ** 2))
            assert level > 0.01
            assert np.sqrt(np.mean(x[round((end_s + 0.3) * RATE) :] ** 2)) < 0.2 * level
            assert np.abs(x).max() < 1
        assert np.abs(np.corrcoef(sounds["organ"], sounds["whistle"])[0, 1]) < 0.3


def test_the_notes_and_octaves_are_those_that_sound(built):
    for piece in built.manifest.pieces:
        for name, where in piece.domains.items():
            assert where.octave in ((1, 2) if name == "whistle" else (0,))
            x = mulaw.decode(built.codes(piece, name))
            onset, duration, pitch, _ = max(piece.notes, key=lambda note: note[1])
            part = x[round((onset + 0.25 * duration) * RATE) : round((onset + 0.9 * duration) * RATE)]
            spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 8 * len(part)))
            peak_hz = spectrum.argmax() * RATE / (8 * len(part))
            cents = 1200 * np.log2(peak_hz / (440 * 2 ** ((pitch + 12 * where.octave - 69) / 12)))
            # The strongest partial is a low harmonic: an octave, a twelfth, two octaves, ...
            nearest = min(abs(cents - 1200 * np.log2(n)) for n in range(1, 7))
            assert nearest < 110, (piece.id, name)
            if name == "whistle":
                assert abs(cents) < 110


def test_the_whistle_has_both_players(built):
    players = {piece.domains["whistle"].player for piece in built.manifest.pieces}
    assert players == {"wavecore.datasets.synths.whistle", "program 78"}
    kinds = {domain.name: domain.kind for domain in built.manifest.domains}
    assert kinds == {"organ": "soundfont", "harpsichord": "soundfont", "whistle": "whistle"}
    assert built.manifest.domains[2].programs[0]["share"] == 0.5


def test_the_same_build_gives_the_same_bytes(built, tmp_path):
    again = build_domains(reversed(SONGS), SPECS, out=tmp_path / "set", **SHORT)
    assert again == built.manifest


@pytest.mark.slow
def test_workers_change_nothing(built, tmp_path):
    assert build_domains(SONGS, SPECS, out=tmp_path / "set", workers=2, **SHORT) == built.manifest


def test_a_build_that_was_stopped_goes_on(built, tmp_path, monkeypatch):
    render, rendered = build._render_part, []

    def counted(task):
        if len(rendered) == 3:
            raise KeyboardInterrupt
        rendered.append(task[1].id)
        render(task)

    monkeypatch.setattr(build, "_render_part", counted)
    with pytest.raises(KeyboardInterrupt):
        build_domains(SONGS, SPECS, out=tmp_path / "set", **SHORT)
    with pytest.raises(InputError, match="no finished data set"):
        DomainsDataset.open(tmp_path / "set")
    monkeypatch.setattr(build, "_render_part", render)
    progress = []
    again = build_domains(SONGS, SPECS, out=tmp_path / "set", on_progress=lambda *done: progress.append(done), **SHORT)
    assert again == built.manifest
    total = len(built.manifest.pieces)
    assert progress == [(i, total) for i in range(3, total + 1)]
    with pytest.raises(OutputExistsError, match="finished data set"):
        build_domains(SONGS, SPECS, out=tmp_path / "set", **SHORT)


def test_stopped_while_joining(built, tmp_path, monkeypatch):
    monkeypatch.setattr(manifests, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build_domains(SONGS, SPECS, out=tmp_path / "set", **SHORT)
    monkeypatch.undo()
    monkeypatch.setattr(build, "_render_part", lambda task: pytest.fail("everything was rendered already"))
    assert build_domains(SONGS, SPECS, out=tmp_path / "set", **SHORT) == built.manifest


def test_another_build_does_not_go_on_with_these_parts(sounds, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_render_part", lambda task: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build_domains(SONGS, SPECS, out=tmp_path / "set", **SHORT)
    with pytest.raises(UsageError, match="other settings"):
        build_domains(SONGS, SPECS, out=tmp_path / "set", **{**SHORT, "seed": 4})
    with pytest.raises(UsageError, match="other settings"):
        build_domains(SONGS, SPECS[:2], out=tmp_path / "set", **SHORT)


ENSEMBLE = DomainSpec(
    "ensemble", "violin", sections=(Section("oboe", level_db=-6), Section("cello", octave=-1, level_db=-9))
)


def test_an_ensemble_and_duets_that_nobody_can_whistle(sounds, tmp_path):
    specs = (ENSEMBLE, SPECS[0], SPECS[2])
    below = {one.name: Score(tuple(Note(0.25 * i, 0.25, 45, 90) for i in range(60)), one.name) for one in SONGS}
    settings = ExcerptSettings(duets=0.5)
    manifest = build_domains(SONGS, specs, out=tmp_path / "set", settings=settings, companions=below, **SHORT)
    dataset = DomainsDataset.open(tmp_path / "set")
    duets = [piece for piece in manifest.pieces if "whistle" not in piece.domains]
    assert dataset.paired and 0 < len(duets) < len(manifest.pieces)
    assert all(set(piece.domains) >= {"ensemble", "organ"} for piece in manifest.pieces)
    assert dataset.verify() == []
    for piece in manifest.pieces:
        sounding = sorted(piece.notes)
        overlap = any(a[0] + a[1] > b[0] + 1e-3 for a, b in zip(sounding, sounding[1:], strict=False))
        assert overlap == (piece in duets)
        assert {len(dataset.codes(piece, name)) for name in piece.domains} == {round(piece.seconds * RATE)}
    seconds = {domain.name: domain.seconds for domain in manifest.domains}
    assert seconds["whistle"] < seconds["organ"] == seconds["ensemble"]
    programs = manifest.domains[0].programs
    assert [program["program"] for program in programs] == [40, 68, 42] and programs[2]["octave"] == -1
    # What is drawn for two domains exists in both.
    crop = dataset.paired_crop(np.random.default_rng(0), "whistle", "ensemble", "train", 4_000, 160)
    assert len(crop.source) == len(crop.target) == 4_000


def test_senseless_requests_are_refused(sounds, tmp_path):
    for bad in ((), (SPECS[0], SPECS[0])):
        with pytest.raises(UsageError, match="each with a name of its own"):
            build_domains(SONGS, bad, out=tmp_path / "set", **SHORT)
    with pytest.raises(UsageError, match="workers"):
        build_domains(SONGS, SPECS, out=tmp_path / "set", workers=0, **SHORT)
    with pytest.raises(InputError, match="were asked for"):
        build_domains(SONGS, SPECS, out=tmp_path / "set", **{**SHORT, "seconds": 1e6})
    with pytest.raises(InputError, match=r"none\.sf2"):
        build_domains(SONGS, SPECS, out=tmp_path / "set", soundfont_path=tmp_path / "none.sf2", **SHORT)
    assert not (tmp_path / "set").exists()


def test_settings_are_kept_but_for_the_length(sounds, tmp_path):
    settings = ExcerptSettings(pitches=(62, 84), semitones=0)
    manifest = build_domains(SONGS, SPECS[:1], out=tmp_path / "set", settings=settings, **SHORT)
    assert manifest.settings["excerpts"]["semitones"] == 0
    assert manifest.settings["excerpts"]["seconds"] == [1.0, 1.5]
    assert all(62 <= note[2] <= 84 for piece in manifest.pieces for note in piece.notes)
