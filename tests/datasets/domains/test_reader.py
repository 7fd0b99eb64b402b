from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.manifest import Domain, Manifest, Piece, Slice
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.datasets.domains.shards import write_shard
from wavecore.errors import InputError, UsageError

RATE = 16_000
OCTAVES = {"strings": 0, "whistle": 2}


def coded(piece: int, domain: str, length: int) -> np.ndarray:
    """Codes that tell the piece, the domain and the position: 8 values a piece, counted up in its time."""
    return ((np.arange(length) * 37 + piece * 91 + (domain == "whistle") * 128) % 256).astype(np.uint8)


def write_paired(folder: Path, lengths: list[int], splits: list[str]) -> DomainsDataset:
    """A paired data set of two domains with the given pieces."""
    folder.mkdir(parents=True, exist_ok=True)
    slices: list[dict[str, Slice]] = [{} for _ in lengths]
    shards = {}
    for name, octave in OCTAVES.items():
        for split in set(splits):
            shard, offset, codes = f"{name}-{split}.npy", 0, []
            for i, length in enumerate(lengths):
                if splits[i] == split:
                    slices[i][name] = Slice(shard, offset, length, octave)
                    codes.append(coded(i, name, length))
                    offset += length
            shards[shard] = write_shard(folder / shard, codes, offset)
    pieces = tuple(
        Piece(f"t{i}#0", f"t{i}", splits[i], "s", "CC0", lengths[i] / RATE, slices[i]) for i in range(len(lengths))
    )
    domains = tuple(Domain(name, "soundfont", (), "sf2", "MIT", sum(lengths) / RATE) for name in OCTAVES)
    manifests.write(folder, Manifest(RATE, True, domains, pieces, shards))
    return DomainsDataset.open(folder)


def write_unpaired(folder: Path) -> DomainsDataset:
    folder.mkdir()
    shards = {
        f"{name}.npy": write_shard(folder / f"{name}.npy", [coded(i, name, 100)], 100) for i, name in enumerate(OCTAVES)
    }
    pieces = tuple(
        Piece(f"{name}#0", name, "train", "", "", 0.1, {name: Slice(f"{name}.npy", 0, 100)}) for name in OCTAVES
    )
    domains = tuple(Domain(name, "recordings") for name in OCTAVES)
    manifests.write(folder, Manifest(RATE, False, domains, pieces, shards))
    return DomainsDataset.open(folder)


@pytest.fixture
def dataset(tmp_path):
    return write_paired(tmp_path / "set", [500, 300, 90, 200], ["train", "train", "train", "valid"])


@given(
    lengths=st.lists(st.integers(20, 400), min_size=1, max_size=5),
    n_samples=st.integers(1, 400),
    hop=st.integers(1, 50),
    seed=st.integers(0, 2**32),
)
@settings(deadline=None, max_examples=40)
def test_pairs_are_the_same_passage_at_a_multiple_of_the_hop(tmp_path_factory, lengths, n_samples, hop, seed):
    folder = tmp_path_factory.mktemp("paired") / "set"
    dataset = write_paired(folder, lengths, ["train"] * len(lengths))
    rng = np.random.default_rng(seed)
    if n_samples > max(lengths):
        with pytest.raises(InputError, match=f"the longest of {len(lengths)} has {max(lengths)}"):
            dataset.paired_crop(rng, "whistle", "strings", "train", n_samples, hop)
        return
    for _ in range(5):
        crop = dataset.paired_crop(rng, "whistle", "strings", "train", n_samples, hop)
        assert crop.source.shape == crop.target.shape == (n_samples,)
        assert crop.source.dtype == crop.target.dtype == np.uint8
        assert crop.octave_shift == -2
        places = [
            (i, start)
            for i, length in enumerate(lengths)
            for start in range(0, length - n_samples + 1, hop)
            if np.array_equal(crop.target, coded(i, "strings", length)[start : start + n_samples])
            and np.array_equal(crop.source, coded(i, "whistle", length)[start : start + n_samples])
        ]
        assert places


def test_the_octave_goes_from_source_to_target(dataset):
    rng = np.random.default_rng(0)
    assert dataset.paired_crop(rng, "strings", "whistle", "train", 50, 10).octave_shift == 2
    same = dataset.paired_crop(rng, "whistle", "whistle", "train", 50, 10)
    assert same.octave_shift == 0
    assert np.array_equal(same.source, same.target)


def test_every_start_is_equally_likely(tmp_path):
    # Starts at multiples of 10 of crops of 80: 3 in 100 samples, 13 in 200, none in 79.
    dataset = write_paired(tmp_path / "set", [100, 200, 79], ["train"] * 3)
    rng = np.random.default_rng(0)
    counts: dict[bytes, int] = {}
    for _ in range(8_000):
        key = dataset.paired_crop(rng, "strings", "whistle", "train", 80, 10).source.tobytes()
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 16
    # 500 expected each; five standard deviations of a binomial count are 108.
    assert all(392 < count < 608 for count in counts.values())


def test_crops_start_anywhere_in_their_domain_and_split(dataset):
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(400):
        crop = dataset.crop(rng, "whistle", "valid", 190)
        whole = coded(3, "whistle", 200)
        start = next(s for s in range(11) if np.array_equal(crop, whole[s : s + 190]))
        seen.add(start)
    assert seen == set(range(11))


def test_the_same_generator_gives_the_same_crops(dataset):
    def draw() -> list[bytes]:
        rng = np.random.default_rng(5)
        return [dataset.crop(rng, "strings", "train", 33).tobytes() for _ in range(20)]

    assert draw() == draw()
    assert len(set(draw())) > 10


def test_crops_are_copies_and_the_files_are_safe(dataset):
    crop = dataset.crop(np.random.default_rng(0), "strings", "train", 33)
    crop[:] = 0
    assert dataset.verify() == []
    with pytest.raises(ValueError, match="read-only"):
        dataset.codes(dataset.pieces("train")[0], "strings")[0] = 1


def test_whole_pieces(dataset):
    assert [piece.id for piece in dataset.pieces("train")] == ["t0#0", "t1#0", "t2#0"]
    assert dataset.pieces("test") == ()
    found = list(dataset.whole_pieces("train", "whistle"))
    assert [len(codes) for _, codes in found] == [500, 300, 90]
    assert np.array_equal(found[1][1], coded(1, "whistle", 300))
    assert isinstance(found[0][1].base, np.memmap) or isinstance(found[0][1], np.memmap)


def test_unpaired_recordings_give_only_their_own_crops(tmp_path):
    dataset = write_unpaired(tmp_path / "set")
    rng = np.random.default_rng(0)
    assert not dataset.paired
    crop = dataset.paired_crop(rng, "strings", "strings", "train", 60, 20)
    assert crop.octave_shift == 0
    assert np.array_equal(crop.source, crop.target)
    with pytest.raises(UsageError, match="no common passages"):
        dataset.paired_crop(rng, "strings", "whistle", "train", 60, 20)
    assert [piece.id for piece in dataset.pieces("train", domain="whistle")] == ["whistle#0"]
    with pytest.raises(UsageError, match="only in strings"):
        dataset.codes(dataset.pieces("train", domain="strings")[0], "whistle")


def test_the_summary_is_json_and_adds_up(dataset):
    summary = json.loads(json.dumps(dataset.summary()))
    assert summary["name"] == "set"
    assert summary["pieces"] == {"train": 3, "valid": 1, "test": 0}
    assert summary["seconds"]["train"] == pytest.approx(890 / RATE, abs=0.06)
    assert [domain["name"] for domain in summary["domains"]] == ["strings", "whistle"]
    assert summary["music"] == ["s (CC0)"]
    assert len(summary["manifest_sha256"]) == 64


def test_unknown_names_list_the_known_ones(dataset):
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match="no domain 'kazoo' .* strings, whistle"):
        dataset.crop(rng, "kazoo", "train", 10)
    with pytest.raises(UsageError, match="no split 'dev'; choose from train, valid, test"):
        dataset.crop(rng, "strings", "dev", 10)
    with pytest.raises(InputError, match=r"no test piece .* the longest of 0"):
        dataset.crop(rng, "strings", "test", 10)
    for n_samples, hop in ((0, 1), (10, 0)):
        with pytest.raises(UsageError, match="must be 1 or more"):
            dataset.paired_crop(rng, "strings", "whistle", "train", n_samples, hop)


def test_damaged_shards_are_found(dataset):
    path = dataset.path / "strings-train.npy"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert DomainsDataset.open(dataset.path).verify() == ["strings-train.npy"]
    path.write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"strings-train\.npy"):
        DomainsDataset.open(dataset.path)
    np.save(path, np.zeros(890, np.int16))
    with pytest.raises(InputError, match="int16"):
        DomainsDataset.open(dataset.path)
    path.unlink()
    with pytest.raises(InputError, match=r"strings-train\.npy cannot be read"):
        DomainsDataset.open(dataset.path)


def test_a_shard_is_never_unpickled(dataset):
    np.save(dataset.path / "strings-train.npy", np.array([{}] * 890, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        DomainsDataset.open(dataset.path)


def test_reading_needs_numpy_and_torch_alone(dataset):
    script = f"""
import sys
for name in ("fluidsynth", "librosa", "music21", "nnAudio", "numba", "scipy", "soundfile", "soxr", "symusic"):
    sys.modules[name] = None
import numpy as np
from wavecore.datasets.domains.reader import DomainsDataset
dataset = DomainsDataset.open({str(dataset.path)!r})
print(dataset.paired_crop(np.random.default_rng(0), "whistle", "strings", "train", 80, 10).octave_shift)
"""
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "-2\n"), done.stderr
