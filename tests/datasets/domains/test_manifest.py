from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.manifest import Domain, Manifest, Piece, Slice
from wavecore.errors import InputError


def paired(n_pieces: int = 2, length: int = 10) -> Manifest:
    names = ("a", "b")
    pieces = tuple(
        Piece(
            id=f"tune#{i}", tune="tune", split="train", source="s", licence="l", seconds=length / 16_000,
            domains={n: Slice(f"{n}-train.npy", i * length, length, octave=i, player="x") for n in names},
            notes=((0.0, 0.5, 60, 90), (0.5, 0.25, 62, 91)),
        )
        for i in range(n_pieces)
    )  # fmt: skip
    shards = {f"{name}-train.npy": {"samples": n_pieces * length, "sha256": "0" * 64} for name in names}
    domains = tuple(Domain(name, "soundfont", ({"bank": 0, "program": 40},), "sf2", "MIT", 1.0) for name in names)
    return Manifest(16_000, True, domains, pieces, shards, {"seed": 3})


@given(st.integers(1, 5), st.integers(1, 99))
@settings(deadline=None, max_examples=20)
def test_what_is_written_is_read(tmp_path_factory, n_pieces, length):
    folder = tmp_path_factory.mktemp("set")
    manifest = paired(n_pieces, length)
    manifests.write(folder, manifest)
    assert manifests.read(folder) == manifest


def test_the_document_names_its_schema(tmp_path):
    document = json.loads(manifests.write(tmp_path, paired()).read_text())
    assert (document["schema"], document["kind"], document["codec"]) == (1, "domains", "mulaw256")
    assert list(tmp_path.iterdir()) == [tmp_path / "manifest.json"]


def test_a_missing_manifest_is_an_unfinished_data_set(tmp_path):
    with pytest.raises(InputError, match="no finished data set"):
        manifests.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 2"),
        ({"kind": "nsynth"}, "'nsynth'"),
        ({"codec": "pcm16"}, "pcm16"),
        ({"pieces": [{}]}, "damaged"),
        ({"domains": [{"nonsense": 1}]}, "damaged"),
        ({"shards": None}, "damaged"),
        ({"shards": {}}, "leaves its shard"),
    ],
)
def test_other_documents_are_refused(tmp_path, change, message):
    path = manifests.write(tmp_path, paired())
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        manifests.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null"])
def test_files_that_are_no_manifest_are_refused(tmp_path, text):
    (tmp_path / manifests.NAME).write_text(text)
    with pytest.raises(InputError, match="no manifest"):
        manifests.read(tmp_path)


@pytest.mark.parametrize(
    ("domains", "message"),
    [
        ({"a": Slice("a-train.npy", 0, 10)}, "is in"),
        ({"a": Slice("a-train.npy", 0, 10), "c": Slice("a-train.npy", 0, 10)}, "is in"),
        ({"a": Slice("a-train.npy", 0, 10), "b": Slice("b-train.npy", 0, 9)}, "same length"),
        ({"a": Slice("a-train.npy", 11, 10), "b": Slice("b-train.npy", 0, 10)}, "leaves its shard"),
        ({"a": Slice("a-train.npy", -1, 10), "b": Slice("b-train.npy", 0, 10)}, "leaves its shard"),
        ({"a": Slice("a-train.npy", 0, 0), "b": Slice("b-train.npy", 0, 0)}, "leaves its shard"),
        ({"a": Slice("c-train.npy", 0, 10), "b": Slice("b-train.npy", 0, 10)}, "leaves its shard"),
    ],
)
def test_slices_that_contradict_are_refused(tmp_path, domains, message):
    manifest = paired()
    broken = dataclasses.replace(manifest.pieces[1], domains=domains)
    manifests.write(tmp_path, dataclasses.replace(manifest, pieces=(manifest.pieces[0], broken)))
    with pytest.raises(InputError, match=message):
        manifests.read(tmp_path)


def test_unpaired_pieces_may_be_in_one_domain(tmp_path):
    manifest = paired()
    alone = dataclasses.replace(manifest.pieces[0], domains={"a": Slice("a-train.npy", 0, 10)})
    unpaired = dataclasses.replace(manifest, pieces=(alone,), paired=False)
    manifests.write(tmp_path, unpaired)
    assert manifests.read(tmp_path) == unpaired
