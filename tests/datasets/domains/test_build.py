import itertools

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
SHORT = {"seconds": 7, "excerpt_seconds": (1.0, 1.2), "seed": 3}


def song(name: str, seed: int) -> Score:
    rng = np.random.default_rng(seed)
    notes = (Note(0.25 * i, 0.25, int(p), 90) for i, p in enumerate(60 + rng.integers(0, 15, 60)))
    return Score(tuple(notes), name, "made up", "CC0")


SONGS = tuple(song(f"song/{i}", i) for i in range(8))


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def built(sounds, tmp_path_factory) -> DomainsDataset:
    out = tmp_path_factory.mktemp("data") / "set"
    build_domains(SONGS, SPECS, out=out, **SHORT)
    return DomainsDataset.open(out)


@pytest.mark.slow
def test_every_piece_is_in_every_domain_and_as_long(built):
    assert built.paired and built.domains == ("organ", "harpsichord", "whistle")
    assert sum(piece.seconds for piece in built.manifest.pieces) >= 7
    for piece in built.manifest.pieces:
        assert {len(built.codes(piece, name)) for name in built.domains} == {round(piece.seconds * RATE)}
        assert (piece.source, piece.licence) == ("made up", "CC0")
        assert piece.split == split_of(piece.tune)
        assert all(f"-{piece.split}.npy" in part.shard for part in piece.domains.values())
    assert built.verify() == []
    assert sorted(path.name for path in built.path.iterdir()) == sorted([*built.manifest.shards, "manifest.json"])


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_notes_and_octaves_are_those_that_sound(built):
    for piece in built.manifest.pieces:
        for name, part in piece.domains.items():
            assert part.octave in ((1, 2) if name == "whistle" else (0,))
            x = mulaw.decode(built.codes(piece, name))
            onset, duration, pitch, _ = max(piece.notes, key=lambda note: note[1])
            middle = x[round((onset + 0.25 * duration) * RATE) : round((onset + 0.9 * duration) * RATE)]
            spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 8 * len(middle)))
            peak_hz = spectrum.argmax() * RATE / (8 * len(middle))
            cents = 1200 * np.log2(peak_hz / (440 * 2 ** ((pitch + 12 * part.octave - 69) / 12)))
            # The strongest partial is a low harmonic: an octave, a twelfth, two octaves, ...
            nearest = min(abs(cents - 1200 * np.log2(n)) for n in range(1, 7))
            assert nearest < 110, (piece.id, name)
            if name == "whistle":
                assert abs(cents) < 110


def test_the_manifest_names_the_players_as_it_always_did(built):
    players = {piece.domains["whistle"].player for piece in built.manifest.pieces}
    assert players == {"wavecore.datasets.whistle", "program 78"}
    whistle = built.manifest.domains[2]
    assert whistle.source.endswith("; wavecore.datasets.whistle") and whistle.programs[0]["share"] == 0.5
    kinds = {domain.name: domain.kind for domain in built.manifest.domains}
    assert kinds == {"organ": "soundfont", "harpsichord": "soundfont", "whistle": "whistle"}


@pytest.mark.slow
def test_a_build_that_was_stopped_continues_with_other_workers(built, tmp_path, monkeypatch):
    render, rendered, out = build._render_part, [], tmp_path / "set"

    def stop_at_the_fourth(task):
        if len(rendered) == 3:
            raise KeyboardInterrupt
        rendered.append(task[1].id)
        render(task)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(build, "_render_part", stop_at_the_fourth)
        build_domains(SONGS, SPECS, out=out, **SHORT)
    with pytest.raises(InputError, match=str(out)):
        DomainsDataset.open(out)
    for specs, change in ((SPECS, {"seed": 4}), (SPECS[:2], {})):
        with pytest.raises(UsageError, match="parts"):
            build_domains(SONGS, specs, out=out, **SHORT | change)
    progress = []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(manifests, "write", interrupt)
        build_domains(SONGS, SPECS, out=out, workers=2, on_progress=lambda *done: progress.append(done), **SHORT)
    total = len(built.manifest.pieces)
    assert progress == [(i, total) for i in range(3, total + 1)]
    with monkeypatch.context() as patch:
        patch.setattr(build, "_render_part", lambda task: pytest.fail("everything was rendered already"))
        assert build_domains(reversed(SONGS), SPECS, out=out, **SHORT) == built.manifest
    with pytest.raises(OutputExistsError):
        build_domains(SONGS, SPECS, out=out, **SHORT)


@pytest.mark.slow
def test_an_ensemble_and_duets_that_are_not_whistled(sounds, tmp_path):
    sections = (Section("oboe", level_db=-6), Section("cello", octave=-1, level_db=-9))
    specs = (DomainSpec("ensemble", "violin", sections=sections), SPECS[0], SPECS[2])
    below = {one.name: Score(tuple(Note(0.25 * i, 0.25, 45, 90) for i in range(60)), one.name) for one in SONGS}
    settings = ExcerptSettings(duets=0.5, pitches=(62, 84), semitones=0)
    manifest = build_domains(SONGS, specs, out=tmp_path / "set", settings=settings, companions=below, **SHORT)
    dataset = DomainsDataset.open(tmp_path / "set")
    duets = [piece for piece in manifest.pieces if "whistle" not in piece.domains]
    assert dataset.paired and 0 < len(duets) < len(manifest.pieces)
    assert all(set(piece.domains) >= {"ensemble", "organ"} for piece in manifest.pieces)
    assert dataset.verify() == []
    for piece in manifest.pieces:
        sounding = sorted(piece.notes)
        overlap = any(a[0] + a[1] > b[0] + 1e-3 for a, b in itertools.pairwise(sounding))
        assert overlap == (piece in duets)
        assert overlap or all(62 <= note[2] <= 84 for note in piece.notes)
        assert {len(dataset.codes(piece, name)) for name in piece.domains} == {round(piece.seconds * RATE)}
    seconds = {domain.name: domain.seconds for domain in manifest.domains}
    assert seconds["whistle"] < seconds["organ"] == seconds["ensemble"]
    programs = manifest.domains[0].programs
    assert [program["program"] for program in programs] == [40, 68, 42] and programs[2]["octave"] == -1
    assert manifest.settings["excerpts"]["semitones"] == 0
    assert manifest.settings["excerpts"]["seconds"] == [1.0, 1.2]
    # Crops for two domains come from pieces that exist in both.
    crop = dataset.paired_crop(np.random.default_rng(0), "whistle", "ensemble", "train", 4_000, 160)
    assert len(crop.source) == len(crop.target) == 4_000


@pytest.mark.parametrize(
    ("domains", "change", "error", "fact"),
    [
        ((), {}, UsageError, r"\[\]"),
        ((SPECS[0], SPECS[0]), {}, UsageError, r"\['organ', 'organ'\]"),
        (SPECS, {"workers": 0}, UsageError, "workers is 0"),
        (SPECS, {"seconds": 1e6}, InputError, "1000000 s"),
        (SPECS, {"soundfont_path": "none.sf2"}, InputError, r"none\.sf2"),
    ],
)
def test_impossible_requests_are_refused(sounds, tmp_path, domains, change, error, fact):
    with pytest.raises(error, match=fact):
        build_domains(SONGS, domains, out=tmp_path / "set", **SHORT | change)
    assert not (tmp_path / "set").exists()
