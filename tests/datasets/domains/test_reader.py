import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.manifest import Domain, Manifest, Piece, Slice
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.datasets.domains.shards import write_shard
from wavecore.errors import InputError, UsageError

RATE = 16_000
OCTAVES = {"strings": 0, "whistle": 2}


def coded(piece: int, domain: str, length: int) -> np.ndarray:
    """Return codes from which the piece, the domain and the position can be read."""
    return ((np.arange(length) * 37 + piece * 91 + (domain == "whistle") * 128) % 256).astype(np.uint8)


def write_paired(folder: Path, lengths: list[int], splits: list[str]) -> DomainsDataset:
    """Write a paired data set of two domains with the given pieces."""
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


@pytest.fixture
def dataset(tmp_path):
    return write_paired(tmp_path / "set", [500, 300, 90, 200], ["train", "train", "train", "valid"])


def test_the_octave_goes_from_source_to_target(dataset):
    rng = np.random.default_rng(0)
    assert dataset.paired_crop(rng, "strings", "whistle", "train", 50, 10).octave_shift == 2
    same = dataset.paired_crop(rng, "whistle", "whistle", "train", 50, 10)
    assert same.octave_shift == 0 and np.array_equal(same.source, same.target)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lengths", "n_samples", "hop"), [([100, 200, 79], 80, 10), ([37], 37, 5), ([20, 255, 13], 13, 50)]
)
def test_pairs_are_the_same_passage_and_every_start_is_equally_likely(tmp_path, lengths, n_samples, hop):
    dataset = write_paired(tmp_path / "set", lengths, ["train"] * len(lengths))
    starts = [(i, at) for i, length in enumerate(lengths) for at in range(0, length - n_samples + 1, hop)]
    targets = {}
    for i, at in starts:
        source, target = (coded(i, name, lengths[i])[at : at + n_samples] for name in ("whistle", "strings"))
        targets[source.tobytes()] = target
    assert len(targets) == len(starts)
    rng = np.random.default_rng(0)
    counts = Counter()
    for _ in range(500 * len(starts)):
        crop = dataset.paired_crop(rng, "whistle", "strings", "train", n_samples, hop)
        assert crop.source.dtype == np.uint8 and crop.octave_shift == -2
        assert np.array_equal(crop.target, targets[crop.source.tobytes()])
        counts[crop.source.tobytes()] += 1
    # 500 expected each; five standard deviations of a binomial count are 112 at most.
    assert len(counts) == len(starts) and all(388 < count < 612 for count in counts.values())


def test_the_same_generator_gives_the_same_crops(dataset):
    def draw() -> list[bytes]:
        rng = np.random.default_rng(5)
        return [dataset.paired_crop(rng, "strings", "strings", "train", 33, 1).source.tobytes() for _ in range(20)]

    assert draw() == draw() and len(set(draw())) > 10


def test_crops_are_copies_and_the_files_are_read_only(dataset):
    crop = dataset.paired_crop(np.random.default_rng(0), "strings", "whistle", "train", 33, 1)
    crop.source[:] = 0
    assert dataset.verify() == []
    with pytest.raises(ValueError, match="read-only"):
        dataset.codes(dataset.pieces("train")[0], "strings")[0] = 1


def test_whole_pieces_in_the_order_of_the_manifest(dataset):
    pieces = dataset.pieces("train")
    assert [piece.id for piece in pieces] == ["t0#0", "t1#0", "t2#0"] and dataset.pieces("test") == ()
    for number, (piece, length) in enumerate(zip(pieces, (500, 300, 90), strict=True)):
        assert np.array_equal(dataset.codes(piece, "whistle"), coded(number, "whistle", length))


def test_unpaired_recordings_give_only_their_own_crops(tmp_path):
    shards, pieces = {}, []
    for i, name in enumerate(OCTAVES):
        shards[f"{name}.npy"] = write_shard(tmp_path / f"{name}.npy", [coded(i, name, 100)], 100)
        pieces.append(Piece(f"{name}#0", name, "train", "", "", 0.1, {name: Slice(f"{name}.npy", 0, 100)}))
    domains = tuple(Domain(name, "recordings") for name in OCTAVES)
    manifests.write(tmp_path, Manifest(RATE, False, domains, tuple(pieces), shards))
    dataset = DomainsDataset.open(tmp_path)
    rng = np.random.default_rng(0)
    crop = dataset.paired_crop(rng, "strings", "strings", "train", 60, 20)
    assert not dataset.paired and crop.octave_shift == 0 and np.array_equal(crop.source, crop.target)
    with pytest.raises(UsageError, match="'strings' and 'whistle'"):
        dataset.paired_crop(rng, "strings", "whistle", "train", 60, 20)
    assert [piece.id for piece in dataset.pieces("train", domain="whistle")] == ["whistle#0"]
    with pytest.raises(UsageError, match="'whistle', only in strings"):
        dataset.codes(dataset.pieces("train", domain="strings")[0], "whistle")


def test_the_summary_is_json_and_adds_up(dataset):
    summary = json.loads(json.dumps(dataset.summary()))
    assert summary["name"] == "set"
    assert summary["pieces"] == {"train": 3, "valid": 1, "test": 0}
    assert summary["seconds"]["train"] == pytest.approx(890 / RATE, abs=0.06)
    assert [domain["name"] for domain in summary["domains"]] == ["strings", "whistle"]
    assert summary["music"] == ["s (CC0)"] and len(summary["manifest_sha256"]) == 64


@pytest.mark.parametrize(
    ("request_", "error", "fact"),
    [
        (("kazoo", "strings", "train", 10, 1), UsageError, "'kazoo' .* strings, whistle"),
        (("strings", "whistle", "dev", 10, 1), UsageError, "'dev'"),
        (("strings", "whistle", "test", 10, 1), InputError, "no test piece .* of 0"),
        (("strings", "whistle", "train", 501, 1), InputError, "501 .* of 3 has 500"),
        (("strings", "whistle", "train", 0, 1), UsageError, "n_samples is 0"),
        (("strings", "whistle", "train", 10, 0), UsageError, "hop 0"),
    ],
)
def test_impossible_crops_are_refused(dataset, request_, error, fact):
    with pytest.raises(error, match=fact):
        dataset.paired_crop(np.random.default_rng(0), *request_)


def test_damaged_shards_are_detected(dataset):
    path = dataset.path / "strings-train.npy"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert DomainsDataset.open(dataset.path).verify() == ["strings-train.npy"]
    for damage in (content[:-1], b"", None):
        path.unlink() if damage is None else path.write_bytes(damage)
        with pytest.raises(InputError, match=r"strings-train\.npy"):
            DomainsDataset.open(dataset.path)
    for array in (np.zeros(890, np.int16), np.zeros(889, np.uint8), np.array([{}] * 890, dtype=object)):
        np.save(path, array, allow_pickle=True)
        with pytest.raises(InputError, match=r"strings-train\.npy"):
            DomainsDataset.open(dataset.path)


@pytest.mark.slow
def test_reading_needs_numpy_alone(dataset):
    script = f"""
import sys
for name in ("fluidsynth", "librosa", "music21", "nnAudio", "numba", "scipy", "soundfile", "soxr", "symusic", "torch"):
    sys.modules[name] = None
import numpy as np
from wavecore.datasets.domains.reader import DomainsDataset
dataset = DomainsDataset.open({str(dataset.path)!r})
print(dataset.paired_crop(np.random.default_rng(0), "whistle", "strings", "train", 80, 10).octave_shift)
"""
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "-2\n"), done.stderr
