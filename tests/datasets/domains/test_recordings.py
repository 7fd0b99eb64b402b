from pathlib import Path

import numpy as np
import pytest

from wavecore.audio import files, mulaw
from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains import recordings
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.datasets.domains.recordings import from_recordings
from wavecore.datasets.splits import SPLITS
from wavecore.errors import InputError, OutputExistsError, UsageError

RATE = 16_000


def tone(hz: float, seconds: float, rate: int = RATE, amplitude: float = 0.3) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_wav(path: Path, x: np.ndarray, rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, x, rate, subtype="FLOAT", overwrite=True)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Five files of one domain, one of the other at another rate."""
    for i in range(5):
        write_wav(tmp_path / "in" / "cello" / f"{i}.wav", tone(200 + 20 * i, 0.5 + 0.1 * i))
    write_wav(tmp_path / "in" / "my whistle" / "long.wav", tone(1_000, 2.0, 44_100), 44_100)
    return tmp_path / "in"


def test_every_file_is_in_one_split(folder, tmp_path):
    manifest = from_recordings(folder, tmp_path / "out", source="me", licence="CC0")
    dataset = DomainsDataset.open(tmp_path / "out")
    assert not manifest.paired and dataset.domains == ("cello", "my whistle")
    cello = [piece for piece in dataset.manifest.pieces if "cello" in piece.domains]
    assert sorted(piece.tune for piece in cello) == [f"cello/{i}.wav" for i in range(5)]
    assert {piece.split for piece in cello} == {"train", "valid", "test"}
    for piece in cello:
        i = int(piece.tune[6])
        assert np.array_equal(dataset.codes(piece, "cello"), mulaw.encode(tone(200 + 20 * i, 0.5 + 0.1 * i)))
        assert (piece.source, piece.licence, piece.notes) == ("me", "CC0", ())
    assert dataset.verify() == []


def test_a_single_file_is_divided_in_time_and_resampled(folder, tmp_path):
    from_recordings(folder, tmp_path / "out")
    dataset = DomainsDataset.open(tmp_path / "out")
    name = "my whistle"
    parts = [dataset.codes(piece, name) for split in SPLITS for piece in dataset.pieces(split, domain=name)]
    assert [len(part) for part in parts] == [25_600, 3_200, 3_200]
    whole, _ = files.read(folder / name / "long.wav", sample_rate=RATE)
    assert np.array_equal(np.concatenate(parts), mulaw.encode(whole))


def test_long_files_are_cut_evenly_and_stay_in_their_split(tmp_path, monkeypatch):
    monkeypatch.setattr(recordings, "PIECE_S", 0.3)
    for i in range(4):
        write_wav(tmp_path / "in" / "a" / f"{i}.wav", tone(300, 1.0))
    by_file: dict[str, list] = {}
    for piece in from_recordings(tmp_path / "in", tmp_path / "out").pieces:
        by_file.setdefault(piece.tune, []).append(piece)
    for pieces in by_file.values():
        assert len({piece.split for piece in pieces}) == 1
        assert [piece.domains["a"].length for piece in pieces] == [4_000] * 4
        assert [piece.id for piece in pieces] == [f"{pieces[0].tune}#{k}" for k in range(4)]


def test_splits_do_not_depend_on_the_other_domains(folder, tmp_path):
    first = from_recordings(folder, tmp_path / "one")
    write_wav(folder / "zither" / "a.wav", tone(300, 1))
    second = from_recordings(folder, tmp_path / "two")
    assert {p.id: p.split for p in first.pieces}.items() <= {p.id: p.split for p in second.pieces}.items()


def test_unreadable_files_are_named_and_skipped(folder, tmp_path):
    (folder / "cello" / "broken.wav").write_text("no audio")
    progress = []
    manifest = from_recordings(folder, tmp_path / "out", on_progress=lambda done, total: progress.append((done, total)))
    assert progress == [(i, 7) for i in range(1, 8)]
    ((name, reason),) = manifest.settings["skipped"]
    assert name == "cello/broken.wav" and "broken.wav" in reason
    assert manifests.read(tmp_path / "out") == manifest


def test_a_domain_without_a_usable_file_is_an_error(folder, tmp_path):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="empty"):
        from_recordings(folder, tmp_path / "out")
    (folder / "empty" / "a.wav").write_text("no audio")
    for domain in (None, "mine"):
        with pytest.raises(InputError, match=r"a\.wav"):
            from_recordings(folder if domain is None else folder / "empty", tmp_path / f"out {domain}", domain=domain)
        assert not (tmp_path / f"out {domain}" / "manifest.json").exists()


def test_an_import_that_was_stopped_continues(folder, tmp_path, monkeypatch):
    whole = from_recordings(folder, tmp_path / "whole")
    read, calls = files.read, []

    def stop_at_the_third(path, **options):
        calls.append(path.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(path, **options)

    monkeypatch.setattr(files, "read", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        from_recordings(folder, tmp_path / "out")
    assert from_recordings(folder, tmp_path / "out") == whole
    # Two were finished, the third was read again.
    assert len(calls) == 3 + 4
    assert not (tmp_path / "out" / "parts").exists()


def test_a_file_that_changed_makes_another_build(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(recordings, "write_shard", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        from_recordings(folder, tmp_path / "out")
    write_wav(folder / "cello" / "0.wav", tone(90, 0.7))
    with pytest.raises(UsageError, match="parts"):
        from_recordings(folder, tmp_path / "out")


def test_folders_that_do_not_fit_are_refused(folder, tmp_path):
    for source, out, error, fact in (
        (tmp_path / "nothing", tmp_path / "out", InputError, "nothing"),
        (folder / "cello" / "0.wav", tmp_path / "out", InputError, r"0\.wav"),
        (folder / "cello", tmp_path / "out", InputError, "cello"),
        (folder, folder / "out", UsageError, "out"),
    ):
        with pytest.raises(error, match=fact):
            from_recordings(source, out)
    with pytest.raises(InputError, match="nothing"):
        from_recordings(tmp_path / "nothing", tmp_path / "out", domain="viola")
    from_recordings(folder, tmp_path / "out")
    with pytest.raises(OutputExistsError):
        from_recordings(folder, tmp_path / "out")


def test_a_folder_may_be_one_domain_and_its_files_brought_to_a_level(tmp_path):
    for name, amplitude in (("soft", 0.01), ("loud", 0.5)):
        write_wav(tmp_path / "in" / f"{name}.wav", tone(300, 1.0, amplitude=amplitude))
    manifest = from_recordings(tmp_path / "in", tmp_path / "out", domain="viola", level_db=-20.0)
    assert [domain.name for domain in manifest.domains] == ["viola"]
    dataset = DomainsDataset.open(tmp_path / "out")
    for piece in dataset.pieces("train"):
        x = mulaw.decode(np.array(dataset.codes(piece, "viola")))
        assert 20 * np.log10(x.std()) == pytest.approx(-20, abs=0.2)
    assert manifest.settings["level_db"] == -20.0
