import hashlib
import json

import numpy as np
import pytest

from wavecore.datasets import storage
from wavecore.errors import InputError, OutputExistsError


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, None])
def test_files_that_hold_no_json_object_are_refused(tmp_path, content):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json"):
        storage.read_json(path)


def test_a_manifest_has_the_kind_and_identity_that_are_required(tmp_path):
    with pytest.raises(InputError, match="`make songs`"):
        storage.read_manifest(tmp_path, kind="songs", command="make songs", schema=1)
    document = {"kind": "songs", "schema": 1, "more": 2}
    (tmp_path / storage.MANIFEST).write_text(json.dumps(document))
    assert storage.read_manifest(tmp_path, kind="songs", command="", schema=1) == document
    for kind, schema in (("songs", 2), ("notes", 1)):
        with pytest.raises(InputError, match="'songs'"):
            storage.read_manifest(tmp_path, kind=kind, command="", schema=schema)


def test_finished_data_sets_are_replaced_only_on_request(tmp_path):
    storage.refuse_finished(tmp_path)
    storage.write_text(tmp_path / storage.MANIFEST, "{}")
    with pytest.raises(OutputExistsError):
        storage.refuse_finished(tmp_path)
    storage.refuse_finished(tmp_path, overwrite=True)


def test_codes_are_joined_and_mapped(tmp_path):
    codes = np.arange(40, dtype=np.uint8).reshape(2, 20)
    path = tmp_path / "deep" / "a.npy"
    sha256 = storage.write_codes(path, (2, 6), [codes[1, 3:9], codes[0, ::2][:6]])
    assert sha256 == storage.file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    loaded = storage.open_codes(path)
    assert isinstance(loaded, np.memmap) and loaded.tolist() == [[*range(23, 29)], [*range(0, 12, 2)]]
    with pytest.raises(ValueError, match="read-only"):
        loaded[0, 0] = 1
    assert list(path.parent.iterdir()) == [path]


def test_an_incomplete_file_does_not_appear(tmp_path):
    with pytest.raises(AssertionError):
        storage.write_codes(tmp_path / "a.npy", (3,), [np.zeros(2, np.uint8)])
    with pytest.raises(TypeError):
        storage.write_text(tmp_path / "a.txt", 3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("array", [np.zeros(3, np.int8), np.array([{}], dtype=object)])
def test_other_arrays_are_refused_and_nothing_is_unpickled(tmp_path, array):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy"):
        storage.open_codes(tmp_path / "a.npy")


def test_leftovers_of_killed_processes_are_removed(tmp_path):
    for name in ("deep/.0123.partial.npy", ".4567.partial", "kept.npy", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    storage.remove_partial_files(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".hidden", "deep", "kept.npy"]
