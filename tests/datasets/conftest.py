"""Notes with random sound, and writers of NSynth's published containers."""

import gzip
import io
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wavecore.datasets.nsynth import note as nsynth_note
from wavecore.datasets.nsynth import tfrecord, wav
from wavecore.datasets.synths import soundfont
from wavecore.errors import InputError, UsageError

Items = list[tuple[nsynth_note.Note, np.ndarray]]


@pytest.fixture(scope="session")
def items() -> Items:
    """Six notes of three instruments, sorted by name, with int16 samples of full range."""
    rng = np.random.default_rng(0)
    items = []
    instruments = [("bass", "electronic"), ("flute", "acoustic"), ("synth_lead", "synthetic")]
    for number, (family, source) in enumerate(instruments):
        for pitch in (48, 60):
            qualities = tuple(int(bit) for bit in rng.integers(0, 2, 10)) if number else (0,) * 10
            names = {"number": 7, "family": family, "source": source, "pitch": pitch, "velocity": 100}
            note = nsynth_note.make(note=len(items), instrument=number, qualities=qualities, **names)
            items.append((note, rng.integers(-32768, 32768, nsynth_note.N_SAMPLES).astype(np.int16)))
    return sorted(items, key=lambda item: item[0].note_str)


@pytest.fixture(scope="session")
def sounds() -> soundfont.SoundFont:
    """FluidR3 GM, where it and FluidSynth are installed."""
    try:
        return soundfont.SoundFont()
    except (InputError, UsageError) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def pack_tar() -> Callable[..., bytes]:
    """Pack files of given names and contents as a tar archive."""

    def pack(files: dict[str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return out.getvalue()

    return pack


@pytest.fixture(scope="session")
def encode_example() -> Callable[[dict], bytes]:
    """Encode lists of bytes or numbers, or arrays, as a ``tf.train.Example``."""
    pytest.importorskip("google.protobuf", reason="needs protobuf: pip install 'wavecore[data]'")

    def encode(features: dict) -> bytes:
        example = tfrecord.example_class()()
        for name, values in features.items():
            feature = example.features.feature[name]
            if isinstance(values, np.ndarray):
                feature.float_list.value.extend(values.tolist())
            elif values and isinstance(values[0], bytes):
                feature.bytes_list.value.extend(values)
            else:
                feature.int64_list.value.extend(values)
        return example.SerializeToString()

    return encode


@pytest.fixture(scope="session")
def frame_records() -> Callable[..., bytes]:
    """Frame records as a TFRecord file."""
    pytest.importorskip("crc32c", reason="needs crc32c: pip install 'wavecore[data]'")

    def checked(data: bytes) -> bytes:
        return data + struct.pack("<I", tfrecord.masked_crc32c(data))

    return lambda *records: b"".join(checked(struct.pack("<Q", len(record))) + checked(record) for record in records)


@pytest.fixture(scope="session")
def features_of() -> Callable[[nsynth_note.Note, np.ndarray], dict]:
    """Return a note as the published records hold it: numbers as lists of one, empty lists left out."""

    def features_of(note: nsynth_note.Note, samples: np.ndarray) -> dict:
        features = {"audio": wav.to_float(samples)}
        for key, value in note.document().items():
            values = value if isinstance(value, list) else [value]
            if values:
                features[key] = [item.encode() if isinstance(item, str) else item for item in values]
        return features

    return features_of


@pytest.fixture(scope="session")
def write_nsynth(pack_tar, encode_example, frame_records, features_of) -> Callable[[str, Path, str, Items], Path]:
    """Write notes with int16 samples as a published folder, archive (.tar.gz) or TFRecord file, and return its path."""

    def write(kind: str, out: Path, split: str, items: Items) -> Path:
        out.mkdir(parents=True, exist_ok=True)
        path = out / f"nsynth-{split}"
        files = {f"audio/{note.note_str}.wav": wav.encode(samples, 16_000) for note, samples in items}
        files["examples.json"] = nsynth_note.examples_text(note for note, _ in items).encode()
        if kind == "folder":
            (path / "audio").mkdir(parents=True)
            for name, data in files.items():
                (path / name).write_bytes(data)
        elif kind == "archive":
            path = path.with_name(path.name + ".jsonwav.tar.gz")
            path.write_bytes(gzip.compress(pack_tar({f"nsynth-{split}/{name}": files[name] for name in files}), 1))
        else:
            path = path.with_suffix(".tfrecord")
            path.write_bytes(frame_records(*(encode_example(features_of(note, samples)) for note, samples in items)))
        return path

    return write
