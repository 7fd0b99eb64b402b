import argparse
import json

import numpy as np
import pytest
import symusic

from wavecore.audio import files
from wavecore.cli.data import chorale_cache, collect_melodies, domain_specs
from wavecore.console.console import Console
from wavecore.datasets.domains.players import DEFAULT_DOMAINS
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.datasets.synths import soundfont
from wavecore.errors import InputError, UsageError


def can_render() -> bool:
    try:
        import fluidsynth  # noqa: F401

        soundfont.find_soundfont()
    except (ImportError, OSError, InputError):
        return False
    return True


rendering = pytest.mark.skipif(not can_render(), reason="FluidSynth or a SoundFont is not installed")


@pytest.fixture
def recordings(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("organ", "strings"):
        files.write(tmp_path / "in" / name / "a.wav", 0.1 * rng.standard_normal(20_000).astype(np.float32), 16_000)
    (tmp_path / "in" / "organ" / "broken.wav").write_text("hello")
    return tmp_path / "in"


@pytest.fixture
def midi(tmp_path):
    """Three pieces with a scale up and down in a track called MELODY, and one file that is none."""
    (tmp_path / "midi").mkdir()
    for number in range(3):
        score = symusic.Score(480)
        track = symusic.Track(name="MELODY")
        for step in range(64):
            pitch = 62 + number + (step % 16 if step % 16 < 8 else 16 - step % 16)
            track.notes.append(symusic.Note(240 * step, 230, pitch, 90))
        score.tracks.append(track)
        score.dump_midi(tmp_path / "midi" / f"{number}.mid")
    (tmp_path / "midi" / "text.mid").write_text("hello")
    return tmp_path / "midi"


def test_recordings_become_a_data_set(cli, recordings, tmp_path):
    done = cli("data", "domains", "--recordings", recordings, "-o", tmp_path / "out", "--licence", "my own")
    assert done.code == 0, done.err
    assert "recordings, not paired" in done.out and "organ" in done.out and "train" in done.out
    assert "skipped 1 file" in done.err and "broken.wav is a text file" in done.err
    dataset = DomainsDataset.open(tmp_path / "out")
    assert dataset.domains == ("organ", "strings") and not dataset.paired
    assert dataset.manifest.domains[0].licence == "my own"


def test_the_summary_as_json(cli, recordings, tmp_path):
    done = cli("data", "domains", "--recordings", recordings, "-o", tmp_path / "out", "--json", "-q")
    found = json.loads(done.out)
    assert found["data"] == str(tmp_path / "out") and [d["name"] for d in found["domains"]] == [
        "organ",
        "strings",
    ]
    assert found["paired"] is False and set(found["pieces"]) == {"train", "valid", "test"}


def test_a_finished_data_set_is_not_replaced(cli, recordings, tmp_path):
    words = ["data", "domains", "--recordings", recordings, "-o", tmp_path / "out"]
    assert cli(*words).code == 0
    assert cli(*words).code == 6
    done = cli(*words, "--skip-existing")
    assert done.code == 0 and "skipped" in done.err and "organ" in done.out


@pytest.mark.slow
@rendering
def test_melodies_are_rendered_in_every_domain_and_a_stopped_build_goes_on(cli, midi, tmp_path, monkeypatch):
    from wavecore.datasets.domains import build

    out = tmp_path / "out"
    words = [
        "data",
        "domains",
        "--midi",
        midi,
        "--domains",
        "flute,church-organ",
        "--minutes",
        "0.4",
        "-o",
        out,
        "--workers",
        "1",
    ]
    genuine, played = build._render_part, []

    def once(task):
        if played:
            raise KeyboardInterrupt
        played.append(task)
        genuine(task)

    with monkeypatch.context() as patch:
        patch.setattr(build, "_render_part", once)
        assert cli(*words).code == 130
    assert not (out / "manifest.json").exists()
    again = []
    with monkeypatch.context() as patch:
        patch.setattr(build, "_render_part", lambda task: (again.append(task), genuine(task)))
        done = cli(*words)
    assert done.code == 0, done.err
    dataset = DomainsDataset.open(out)
    assert dataset.domains == ("flute", "church-organ") and dataset.paired
    assert len(again) == len(dataset.manifest.pieces) - 1
    assert "text.mid" in done.err and "3 melodies" in done.err and "the same music in every domain" in done.out


def test_fewer_pieces_are_the_same_for_the_same_seed(midi):
    def tunes(seed: int) -> list[str]:
        args = argparse.Namespace(midi=[midi], music21=False, licence="", pieces=1, seed=seed)
        return [score.name for score in collect_melodies(args, Console(quiet=True))[0]]

    chosen = [tunes(seed) for seed in range(6)]
    assert all(len(names) == 1 for names in chosen) and chosen == [tunes(seed) for seed in range(6)]
    assert len({names[0] for names in chosen}) == 3


def test_domains_are_the_defaults_or_instruments():
    assert domain_specs(None) == list(DEFAULT_DOMAINS)
    specs = domain_specs(["whistle", "church-organ"])
    assert specs[0].whistled > 0 and (specs[1].name, specs[1].instrument) == ("church-organ", "church organ")
    with pytest.raises(UsageError, match="did you mean trumpet"):
        domain_specs(["trumpt"])


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "no music was named"),
        (["--recordings", "in", "--domains", "organ"], 2, "leave --domains out"),
        (["--recordings", "in", "--duets", "0.5"], 2, "leave --duets out"),
        (["--midi", "in", "--duets", "2"], 2, "a share of 0 to 1 is needed, not '2'"),
        (["--recordings", "inn"], 3, "did you mean in?"),
        (["--midi", "nowhere"], 3, "nowhere"),
        (["--midi", "in"], 3, ".mid"),
        (["--midi", "in", "--minutes", "0"], 2, "above 0"),
        (["--midi", "in", "--pieces", "none"], 2, "at least 1"),
        (["--midi", "in", "--domains", "kazoo"], 2, "strings"),
    ],
)
def test_what_cannot_be_built(cli, recordings, tmp_path, monkeypatch, words, code, says):
    monkeypatch.chdir(tmp_path)
    done = cli("data", "domains", *words, "-o", "out")
    assert done.code == code and says in done.err and done.out == ""
    assert not (tmp_path / "out").exists()


def test_the_chorales_are_cached_where_caches_go(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert chorale_cache() == tmp_path / "wavecore" / "chorales-soprano.json"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert chorale_cache() == tmp_path / ".cache" / "wavecore" / "chorales-soprano.json"
