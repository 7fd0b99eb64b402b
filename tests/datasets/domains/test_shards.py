from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.shards import Parts, save_part, write_shard
from wavecore.errors import InputError, OutputExistsError, UsageError


@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.integers(0, 2**32))
@settings(deadline=None, max_examples=25)
def test_a_shard_is_its_pieces_in_order(tmp_path_factory, lengths, seed):
    rng = np.random.default_rng(seed)
    pieces = [rng.integers(0, 256, length, dtype=np.uint8) for length in lengths]
    path = tmp_path_factory.mktemp("shard") / "a-train.npy"
    entry = write_shard(path, iter(pieces), sum(lengths))
    loaded = np.load(path, allow_pickle=False)
    assert loaded.dtype == np.uint8
    assert np.array_equal(loaded, np.concatenate(pieces))
    assert entry == {"samples": sum(lengths), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert list(path.parent.iterdir()) == [path]


def test_rows_of_a_larger_array_are_written_as_they_are(tmp_path):
    codes = np.arange(40, dtype=np.uint8).reshape(2, 20)
    write_shard(tmp_path / "a.npy", [codes[1, 3:9], codes[0, ::2]], 16)
    assert np.load(tmp_path / "a.npy").tolist() == [*range(23, 29), *range(0, 20, 2)]


def test_parts_are_kept_and_read_back(tmp_path):
    parts = Parts(tmp_path / "out", {"seed": 1})
    codes = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert not parts.has("tune/1#0")
    save_part(parts.path("tune/1#0"), codes)
    again = Parts(tmp_path / "out", {"seed": 1})
    assert again.has("tune/1#0")
    assert not again.has("tune/1#1")
    assert np.array_equal(again.read("tune/1#0"), codes)
    again.remove()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_part_that_was_never_finished_does_not_count(tmp_path, monkeypatch):
    parts = Parts(tmp_path, {})

    def interrupted(file, codes, **_):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_part(parts.path("a"), np.zeros((1, 4), np.uint8))
    assert not parts.has("a")


def test_parts_of_another_build_are_not_mixed_in(tmp_path):
    Parts(tmp_path, {"seed": 1})
    with pytest.raises(UsageError, match="other settings"):
        Parts(tmp_path, {"seed": 2})


def test_finished_and_foreign_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputExistsError, match=r"thesis\.tex"):
        Parts(tmp_path, {})
    (tmp_path / manifests.NAME).write_text("{}")
    with pytest.raises(OutputExistsError, match="finished data set"):
        Parts(tmp_path, {})
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_damaged_part_is_named(tmp_path):
    parts = Parts(tmp_path, {})
    parts.path("a").write_bytes(b"\x93NUMPY nonsense")
    with pytest.raises(InputError, match="damaged"):
        parts.read("a")
