from __future__ import annotations

import io
import json
import tarfile

import numpy as np
import pytest

from wavecore.datasets.nsynth import pcm, tf_example, tfrecord
from wavecore.datasets.nsynth import writer as nsynth_writer
from wavecore.datasets.nsynth.containers import candidates, entries, sounds, split_of
from wavecore.errors import InputError


def archive_of(path, files: dict[str, bytes]):
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def record_of(path, *features):
    with path.open("wb") as file:
        tfrecord.write_records(file, [tf_example.encode(one) for one in features])
    return path


def features_of(note, samples) -> dict:
    found = {"audio": samples}
    for key, value in note.document().items():
        values = value if isinstance(value, list) else [value]
        found[key] = [item.encode() if isinstance(item, str) else item for item in values]
    return found


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("nsynth-train", "train"), ("nsynth-valid.jsonwav.tar.gz", "valid"), ("nsynth-test.tfrecord", "test"),
        ("nsynth-test-1", "test"), ("nsynth-testing", None), ("mine", None), ("my nsynth-train", None),
    ],
)  # fmt: skip
def test_names_tell_the_split(name, split):
    assert split_of(name) == split


def test_candidates_in_their_order(tmp_path):
    for name in ("nsynth-test", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "examples.json").write_text("{}")
    for name in ("nsynth-train.tar", "nsynth-test.tfrecord", "nsynth-train.tfrecord", "notes.txt"):
        (tmp_path / name).touch()
    expected = ["nsynth-test", "nsynth-train.tar", "nsynth-test.tfrecord", "nsynth-train.tfrecord"]
    assert [path.name for path in candidates(tmp_path)] == expected
    assert candidates(tmp_path / "nsynth-test") == [tmp_path / "nsynth-test"]


def test_nothing_of_the_kind(tmp_path):
    with pytest.raises(InputError, match="holds no NSynth data"):
        candidates(tmp_path)
    with pytest.raises(InputError, match="there is no"):
        candidates(tmp_path / "missing")
    (tmp_path / "nsynth-test.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"nsynth-test\.zip is no NSynth data"):
        list(entries(tmp_path / "nsynth-test.zip"))


def test_an_archive_may_hold_several_splits(tmp_path):
    path = archive_of(tmp_path / "all.tar", {f"data/nsynth-{s}/examples.json": b'{"a": 1}' for s in ("test", "train")})
    found = list(entries(path))
    assert [(split, container.inside) for split, container, _ in found] == [
        ("test", "data/nsynth-test"), ("train", "data/nsynth-train"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ('{"a": 1, "a": 2}', "'a' is there twice"),
        ('{"a": {"b": 1, "b": 2}}', "'b' is there twice"),
        ("[]", "holds a list"),
        ("\ufeff{}", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_bad_json_is_refused_by_name(text, message, tmp_path):
    (tmp_path / "nsynth-test").mkdir()
    (tmp_path / "nsynth-test" / "examples.json").write_text(text)
    path = archive_of(tmp_path / "nsynth-test.tar", {"nsynth-test/examples.json": text.encode()})
    for where in (tmp_path / "nsynth-test", path):
        with pytest.raises(InputError, match=message) as caught:
            list(entries(where))
        assert "examples.json" in str(caught.value)


def test_bytes_that_are_no_text(tmp_path):
    path = archive_of(tmp_path / "nsynth-test.tar", {"nsynth-test/examples.json": b'{"\xff": 1}'})
    with pytest.raises(InputError, match="is no JSON"):
        list(entries(path))


def test_a_container_must_tell_its_split(tmp_path, items):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "examples.json").write_text("{}")
    record_of(tmp_path / "mine.tfrecord", features_of(items[0][0], np.zeros(5)))
    archive_of(tmp_path / "mine.tar", {"mine/examples.json": b"{}"})
    for name in ("mine", "mine.tfrecord", "mine.tar"):
        with pytest.raises(InputError, match="does not say of which split it is"):
            list(entries(tmp_path / name))
    with pytest.raises(InputError, match=r"holds no examples\.json"):
        list(entries(archive_of(tmp_path / "nsynth-test.tar", {"a": b""})))


def test_records_are_refused_by_their_number(tmp_path, items):
    good = features_of(items[0][0], np.zeros(5))
    path = tmp_path / "nsynth-test.tfrecord"
    with path.open("wb") as file:
        tfrecord.write_records(file, [tf_example.encode(good), b"\x0a\xff"])
    with pytest.raises(InputError, match=r"nsynth-test\.tfrecord, record 1 is no tf\.train\.Example"):
        list(entries(path))
    with pytest.raises(InputError, match="'bass_electronic_007-048-100' is there twice"):
        list(entries(record_of(path, good, good)))


def test_an_empty_list_may_be_left_out_of_a_record(tmp_path, items):
    note, samples = items[0]
    assert not note.qualities_str
    features = features_of(note, pcm.to_float(samples))
    del features["qualities_str"]
    ((_, container, found),) = entries(record_of(tmp_path / "nsynth-test.tfrecord", features))
    assert found == {note.note_str: note.document()}
    ((name, sound),) = sounds(container, {note.note_str})
    assert name == note.note_str and np.array_equal(sound, pcm.to_float(samples))


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros(63_999), "record 0 has 63999 samples, wanted 64000"),
        (np.full(64_000, np.nan), "not finite"),
        (np.full(64_000, 1.5), "leave"),
        ([3], "has no audio"),
        (None, "has no audio"),
    ],
)
def test_sounds_that_cannot_be_used_come_as_errors(audio, message, tmp_path, items):
    features = features_of(items[0][0], audio)
    if audio is None:
        del features["audio"]
    ((_, container, _),) = entries(record_of(tmp_path / "nsynth-test.tfrecord", features))
    ((name, error),) = sounds(container, {items[0][0].note_str})
    assert name == items[0][0].note_str and isinstance(error, InputError) and message in str(error)


def test_sounds_that_an_archive_lacks_or_that_are_too_large(tmp_path, items):
    names = [note.note_str for note, _ in items]
    examples = json.dumps({note.note_str: note.document() for note, _ in items}).encode()
    files = {
        "nsynth-test/examples.json": examples,
        f"nsynth-test/audio/{names[0]}.wav": pcm.wav_bytes(items[0][1], 16_000),
        f"nsynth-test/audio/{names[1]}.wav": bytes(2_000_000),
        f"nsynth-test/audio/{names[2]}.wav": b"hello",
        f"nsynth-test/{names[3]}.wav": pcm.wav_bytes(items[0][1], 16_000),
        f"other/audio/{names[4]}.wav": pcm.wav_bytes(items[0][1], 16_000),
        f"nsynth-test/audio/{names[5]}": pcm.wav_bytes(items[0][1], 16_000),
    }
    ((_, container, _),) = entries(archive_of(tmp_path / "nsynth-test.tar", files))
    found = dict(sounds(container, names))
    assert np.array_equal(found[names[0]], pcm.to_float(items[0][1]))
    assert "2,000,000 bytes" in str(found[names[1]]) and "no WAV file" in str(found[names[2]])
    for name in names[3:]:
        assert str(found[name]).endswith(f"has no nsynth-test/audio/{name}.wav")


def test_a_record_that_is_no_example_is_refused_while_reading_too(tmp_path, items):
    nsynth_writer.write_tfrecord(tmp_path / "nsynth-test.tfrecord", items[:1])
    ((_, container, _),) = entries(tmp_path / "nsynth-test.tfrecord")
    data = bytearray((tmp_path / "nsynth-test.tfrecord").read_bytes())
    data[5_000] ^= 1
    (tmp_path / "nsynth-test.tfrecord").write_bytes(data)
    with pytest.raises(InputError, match="record 0 .*data's checksum is wrong"):
        list(sounds(container, {items[0][0].note_str}))
