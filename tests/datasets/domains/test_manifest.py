import dataclasses
import json

import pytest

from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.manifest import Domain, Manifest, Piece, Slice
from wavecore.errors import InputError


def paired(n_pieces: int = 2, length: int = 10) -> Manifest:
    names = ("a", "b")
    notes = ((0.0, 0.5, 60, 90), (0.5, 0.25, 62, 91))
    pieces = []
    for i in range(n_pieces):
        slices = {n: Slice(f"{n}-train.npy", i * length, length, octave=i, player="x") for n in names}
        pieces.append(Piece(f"tune#{i}", "tune", "train", "s", "l", length / 16_000, slices, notes))
    shards = {f"{name}-train.npy": {"samples": n_pieces * length, "sha256": "0" * 64} for name in names}
    domains = tuple(Domain(name, "soundfont", ({"bank": 0, "program": 40},), "sf2", "MIT", 1.0) for name in names)
    return Manifest(16_000, True, domains, tuple(pieces), shards, {"seed": 3})


def test_what_is_written_is_read(tmp_path):
    for n_pieces, length in ((1, 1), (2, 10), (5, 99)):
        path = manifests.write(tmp_path, paired(n_pieces, length))
        assert manifests.read(tmp_path) == paired(n_pieces, length)
    document = json.loads(path.read_text())
    assert (document["schema"], document["kind"], document["codec"]) == (1, "domains", "mulaw256")
    assert list(tmp_path.iterdir()) == [tmp_path / "manifest.json"]


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"codec": "pcm16"}, "'pcm16'"),
        ({"pieces": [{}]}, "domains"),
        ({"pieces": [3]}, "damaged"),
        ({"domains": [{"programs": [], "nonsense": 1}]}, "nonsense"),
        ({"shards": None}, "damaged"),
        ({"shards": {}}, "a-train.npy"),
    ],
)
def test_other_documents_are_refused(tmp_path, change, fact):
    path = manifests.write(tmp_path, paired())
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=fact):
        manifests.read(tmp_path)


@pytest.mark.parametrize(
    ("domains", "fact"),
    [
        ({"a": Slice("a-train.npy", 0, 10)}, r"\['a'\] of \['a', 'b'\]"),
        ({"a": Slice("a-train.npy", 0, 10), "c": Slice("a-train.npy", 0, 10)}, r"\['a', 'c'\]"),
        ({"a": Slice("a-train.npy", 0, 10), "b": Slice("b-train.npy", 0, 9)}, "length"),
        ({"a": Slice("a-train.npy", 11, 10), "b": Slice("b-train.npy", 0, 10)}, "shard 'a-train.npy'"),
        ({"a": Slice("a-train.npy", -1, 10), "b": Slice("b-train.npy", 0, 10)}, "shard 'a-train.npy'"),
        ({"a": Slice("a-train.npy", 0, 0), "b": Slice("b-train.npy", 0, 0)}, "shard 'a-train.npy'"),
        ({"a": Slice("c-train.npy", 0, 10), "b": Slice("b-train.npy", 0, 10)}, "shard 'c-train.npy'"),
    ],
)
def test_slices_that_contradict_are_refused(tmp_path, domains, fact):
    manifest = paired()
    broken = dataclasses.replace(manifest.pieces[1], domains=domains)
    manifests.write(tmp_path, dataclasses.replace(manifest, pieces=(manifest.pieces[0], broken)))
    with pytest.raises(InputError, match=f"'tune#1' .*{fact}"):
        manifests.read(tmp_path)


def test_unpaired_pieces_may_be_in_one_domain(tmp_path):
    manifest = paired()
    alone = dataclasses.replace(manifest.pieces[0], domains={"a": Slice("a-train.npy", 0, 10)})
    unpaired = dataclasses.replace(manifest, pieces=(alone,), paired=False)
    manifests.write(tmp_path, unpaired)
    assert manifests.read(tmp_path) == unpaired
