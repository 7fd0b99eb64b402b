from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavecore.datasets.nsynth.archive import is_archive, members
from wavecore.errors import InputError

FILES = {
    "nsynth-test/examples.json": b"{}",
    "nsynth-test/audio/a.wav": bytes(1000),
    "nsynth-test/b": b"x" * 512,
}


def packed(files: dict[str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def with_member(**attributes) -> bytes:
    """An archive whose second member is something else."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
            if name == "nsynth-test/examples.json":
                strange = tarfile.TarInfo("nsynth-test/strange")
                for key, value in attributes.items():
                    setattr(strange, key, value)
                archive.addfile(strange)
    return out.getvalue()


def read(path, data: bytes | None = None) -> dict[str, bytes]:
    if data is not None:
        path.write_bytes(data)
    found = {}
    for member in members(path):
        found[member.name] = member.read()
        assert member.size == len(found[member.name])
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.tar"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_plain_and_gzipped_archives_of_every_kind(path, form):
    files = FILES | {"nsynth-test/audio/" + "long" * 20 + ".wav": b"long"}
    data = packed(files, form)
    assert read(path, data) == files
    assert read(path, gzip.compress(data)) == files


names = st.text("abc", min_size=1, max_size=8).map(lambda name: f"nsynth-train/audio/{name}.wav")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(names, st.binary(max_size=1600), max_size=4), zipped=st.booleans())
def test_any_files_come_back(path, files, zipped):
    data = packed(files)
    assert read(path, gzip.compress(data) if zipped else data) == files


def test_members_need_not_be_read(path):
    path.write_bytes(gzip.compress(packed(FILES)))
    assert [member.name for member in members(path)] == list(FILES)


def test_folders_and_what_macos_adds_are_passed_over(path):
    assert read(path, with_member(type=tarfile.DIRTYPE)) == FILES
    assert read(path, packed(FILES | {"nsynth-test/audio/._a.wav": b"mac"})) == FILES
    assert read(path, packed({"./nsynth-test/a": b"1"})) == {"nsynth-test/a": b"1"}


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": "../evil.wav"}, r"'\.\./evil\.wav' leaves the folder"),
        ({"name": "nsynth-test/../../evil"}, "leaves the folder"),
        ({"name": "nsynth-test/audio/.."}, "leaves the folder"),
        ({"name": "/etc/passwd"}, "'/etc/passwd' has an absolute"),
        ({"name": "C:/evil"}, "foreign path"),
        ({"name": "nsynth-test\\..\\evil"}, "foreign path"),
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "is a link to '/etc/passwd'"),
        ({"type": tarfile.LNKTYPE, "linkname": "nsynth-test/examples.json"}, "is a link"),
        ({"type": tarfile.CHRTYPE}, "neither a plain file nor a folder"),
        ({"type": tarfile.FIFOTYPE}, "neither a plain file nor a folder"),
        ({"name": "nsynth-test/examples.json"}, "is there twice"),
        ({"name": "nsynth-test/./examples.json"}, "is there twice"),
        ({"name": "../evil", "type": tarfile.DIRTYPE}, "leaves the folder"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_what_has_no_place_in_a_data_set_is_refused_by_name(path, attributes, message, zipped):
    data = with_member(**attributes)
    with pytest.raises(InputError, match=message) as caught:
        read(path, gzip.compress(data) if zipped else data)
    assert str(path) in str(caught.value)
    assert sorted(item.name for item in path.parent.iterdir()) == ["a.tar"]


def test_an_archive_that_is_cut_anywhere_is_refused(path):
    data = packed(FILES)
    end = data.rindex(b"x") + 1  # of the last member; zeros follow
    for cut in [*range(0, end, 97), 512, 1024, end, end + 511]:
        with pytest.raises(InputError, match=r"a\.tar is cut off or damaged"):
            read(path, data[:cut])
    # One block of zeros marks the end; more of them are only filling.
    assert read(path, data[: end + 512]) == FILES


def test_a_gzip_file_that_is_cut_anywhere_is_refused(path):
    data = gzip.compress(packed(FILES))
    for cut in range(2, len(data)):
        with pytest.raises(InputError, match=r"a\.tar is cut off or damaged"):
            read(path, data[:cut])


def test_a_damaged_header_or_checksum_is_refused(path):
    data = bytearray(packed(FILES))
    data[1024 + 5] ^= 1  # the second header's name
    with pytest.raises(InputError, match="cut off or damaged"):
        read(path, bytes(data))
    zipped = bytearray(gzip.compress(packed(FILES)))
    zipped[-6] ^= 1
    with pytest.raises(InputError, match="cut off or damaged"):
        read(path, bytes(zipped))


def test_what_is_no_archive(path):
    for data in (b"hello", b"", b"hello" * 500):
        with pytest.raises(InputError, match="cut off or damaged"):
            read(path, data)
    with pytest.raises(InputError, match="cannot read"):
        read(path.with_name("missing.tar"))


def test_archives_are_told_by_their_names():
    for name in ("a.tar", "nsynth-train.jsonwav.tar.gz", "a.TGZ"):
        assert is_archive(name)
    assert not is_archive("a.tfrecord") and not is_archive("a.gz")
