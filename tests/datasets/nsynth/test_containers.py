import json

import numpy as np
import pytest

from wavecore.datasets.nsynth import wav
from wavecore.datasets.nsynth.containers import find_containers, read_entries, read_sounds, split_in_name
from wavecore.errors import InputError


@pytest.fixture
def record_path(tmp_path):
    return tmp_path / "nsynth-test.tfrecord"


@pytest.fixture
def features(items, features_of) -> dict:
    return features_of(*items[0])


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("nsynth-train", "train"),
        ("nsynth-valid.jsonwav.tar.gz", "valid"),
        ("nsynth-test.tfrecord", "test"),
        ("nsynth-test-1", "test"),
        ("nsynth-testing", None),
        ("mine", None),
        ("my nsynth-train", None),
    ],
)
def test_names_contain_the_split(name, split):
    assert split_in_name(name) == split


def test_containers_in_their_order(tmp_path):
    for name in ("nsynth-test", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "examples.json").write_text("{}")
    for name in ("nsynth-train.tar", "nsynth-test.tfrecord", "nsynth-train.tfrecord", "notes.txt"):
        (tmp_path / name).touch()
    expected = ["nsynth-test", "nsynth-train.tar", "nsynth-test.tfrecord", "nsynth-train.tfrecord"]
    assert [path.name for path in find_containers(tmp_path)] == expected
    assert find_containers(tmp_path / "nsynth-test") == [tmp_path / "nsynth-test"]


def test_other_paths_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match=str(path)):
            find_containers(path)
    (tmp_path / "nsynth-test.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"nsynth-test\.zip"):
        list(read_entries(tmp_path / "nsynth-test.zip"))


def test_an_archive_may_hold_several_splits(pack_tar, tmp_path):
    path = tmp_path / "all.tar"
    path.write_bytes(pack_tar({f"data/nsynth-{s}/examples.json": b'{"a": 1}' for s in ("test", "train")}))
    found = [(split, container.inside) for split, container, _ in read_entries(path)]
    assert found == [("test", "data/nsynth-test"), ("train", "data/nsynth-train")]


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"{", "no JSON"),
        (b'{"a": 1, "a": 2}', "'a' occurs twice"),
        (b'{"a": {"b": 1, "b": 2}}', "'b' occurs twice"),
        (b"[]", "list"),
        ("\ufeff{}".encode(), "no JSON"),
        (b'{"\xff": 1}', "no JSON"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_damaged_json_is_refused_by_name(data, fact, pack_tar, tmp_path):
    (tmp_path / "nsynth-test").mkdir()
    (tmp_path / "nsynth-test" / "examples.json").write_bytes(data)
    (tmp_path / "nsynth-test.tar").write_bytes(pack_tar({"nsynth-test/examples.json": data}))
    for path in (tmp_path / "nsynth-test", tmp_path / "nsynth-test.tar"):
        with pytest.raises(InputError, match=rf"examples\.json.*{fact}"):
            list(read_entries(path))


def test_a_container_without_a_split_or_without_notes_is_refused(
    tmp_path, features, pack_tar, encode_example, frame_records
):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "examples.json").write_text("{}")
    (tmp_path / "mine.tfrecord").write_bytes(frame_records(encode_example(features)))
    (tmp_path / "mine.tar").write_bytes(pack_tar({"mine/examples.json": b"{}"}))
    for name in ("mine", "mine.tfrecord", "mine.tar"):
        with pytest.raises(InputError, match=f"{name}: .* names no split"):
            list(read_entries(tmp_path / name))
    (tmp_path / "nsynth-test.tar").write_bytes(pack_tar({"a": b""}))
    with pytest.raises(InputError, match=r"nsynth-test\.tar .*examples\.json"):
        list(read_entries(tmp_path / "nsynth-test.tar"))


def test_damaged_records_are_refused_by_their_number(record_path, features, encode_example, frame_records):
    good = encode_example(features)
    record_path.write_bytes(frame_records(good, b"\x0a\xff"))
    with pytest.raises(InputError, match=r"nsynth-test\.tfrecord, record 1 "):
        list(read_entries(record_path))
    record_path.write_bytes(frame_records(good, good))
    with pytest.raises(InputError, match="'bass_electronic_007-048-100' occurs twice"):
        list(read_entries(record_path))


def test_an_empty_list_may_be_left_out_of_a_record(record_path, features, items, encode_example, frame_records):
    note, samples = items[0]
    assert "qualities_str" not in features
    record_path.write_bytes(frame_records(encode_example(features)))
    ((_, container, entries),) = read_entries(record_path)
    assert entries == {note.note_str: note.document()}
    ((name, sound),) = read_sounds(container, {note.note_str})
    assert name == note.note_str and np.array_equal(sound, wav.to_float(samples))


@pytest.mark.parametrize(
    ("audio", "fact"),
    [
        (np.zeros(63_999), "63999"),
        (np.full(64_000, np.nan), "not finite"),
        (np.full(64_000, 1.5), r"[-1, 1]"),
        ([3], "no audio"),
        (None, "no audio"),
    ],
)
def test_unusable_sounds_are_returned_as_errors(audio, fact, record_path, features, encode_example, frame_records):
    features = {key: value for key, value in features.items() if key != "audio"}
    if audio is not None:
        features["audio"] = audio
    record_path.write_bytes(frame_records(encode_example(features)))
    ((_, container, _),) = read_entries(record_path)
    ((name, error),) = read_sounds(container, {"bass_electronic_007-048-100"})
    assert name == "bass_electronic_007-048-100" and isinstance(error, InputError)
    assert "record 0" in str(error) and fact in str(error)


def test_sounds_that_an_archive_lacks_or_that_are_too_large(tmp_path, items, pack_tar):
    names = [note.note_str for note, _ in items]
    sound = wav.encode(items[0][1], 16_000)
    files = {
        "nsynth-test/examples.json": json.dumps({note.note_str: note.document() for note, _ in items}).encode(),
        f"nsynth-test/audio/{names[0]}.wav": sound,
        f"nsynth-test/audio/{names[1]}.wav": bytes(2_000_000),
        f"nsynth-test/audio/{names[2]}.wav": b"hello",
        f"nsynth-test/{names[3]}.wav": sound,
        f"other/audio/{names[4]}.wav": sound,
        f"nsynth-test/audio/{names[5]}": sound,
    }
    path = tmp_path / "nsynth-test.tar"
    path.write_bytes(pack_tar(files))
    ((_, container, _),) = read_entries(path)
    sounds = dict(read_sounds(container, names))
    assert np.array_equal(sounds[names[0]], wav.to_float(items[0][1]))
    assert "2000000 bytes" in str(sounds[names[1]]) and f"{names[2]}.wav" in str(sounds[names[2]])
    for name in names[3:]:
        assert str(sounds[name]).endswith(f"nsynth-test/audio/{name}.wav")
