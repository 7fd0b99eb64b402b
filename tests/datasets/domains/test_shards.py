import hashlib

import numpy as np
import pytest

from wavecore.datasets.domains.shards import Parts, save_part, write_shard
from wavecore.errors import InputError, OutputExistsError, UsageError


def test_a_shard_is_its_pieces_in_order(tmp_path):
    codes = np.arange(40, dtype=np.uint8).reshape(2, 20)
    path = tmp_path / "a-train.npy"
    entry = write_shard(path, iter([codes[1, 3:9], codes[0, :0], codes[0, ::2]]), 16)
    assert np.load(path).tolist() == [*range(23, 29), *range(0, 20, 2)]
    assert entry == {"samples": 16, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_parts_are_kept_read_and_removed(tmp_path):
    parts = Parts(tmp_path / "out", {"seed": 1})
    codes = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert not parts.has("tune/1#0")
    save_part(parts.path("tune/1#0"), codes)
    again = Parts(tmp_path / "out", {"seed": 1})
    assert again.has("tune/1#0") and not again.has("tune/1#1")
    assert np.array_equal(again.read("tune/1#0"), codes)
    (tmp_path / "out" / ".0123.partial.npy").touch()
    again.remove()
    assert list((tmp_path / "out").iterdir()) == []


def test_an_interrupted_part_does_not_count(tmp_path, monkeypatch):
    parts = Parts(tmp_path, {})

    def interrupted(path, codes, **_):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_part(parts.path("a"), np.zeros((1, 4), np.uint8))
    assert not parts.has("a")


def test_a_folder_of_another_build_or_other_files_is_refused(tmp_path):
    Parts(tmp_path / "out", {"seed": 1})
    with pytest.raises(UsageError):
        Parts(tmp_path / "out", {"seed": 2})
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputExistsError, match=r"thesis\.tex"):
        Parts(tmp_path, {})
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(OutputExistsError, match="finished"):
        Parts(tmp_path, {})
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_damaged_part_is_named(tmp_path):
    parts = Parts(tmp_path, {})
    parts.path("a").write_bytes(b"\x93NUMPY nonsense")
    with pytest.raises(InputError, match=parts.path("a").name):
        parts.read("a")
