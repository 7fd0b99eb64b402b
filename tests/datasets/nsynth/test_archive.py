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


def with_member(data: bytes, **attributes) -> bytes:
    """Append an empty member to an archive."""
    out = io.BytesIO(data)
    with tarfile.open(fileobj=out, mode="a") as archive:
        member = tarfile.TarInfo("nsynth-test/other")
        for key, value in attributes.items():
            setattr(member, key, value)
        archive.addfile(member)
    return out.getvalue()


def read(path, data: bytes | None = None) -> dict[str, bytes]:
    if data is not None:
        path.write_bytes(data)
    contents = {}
    for member in members(path):
        contents[member.name] = member.read()
        assert member.size == len(contents[member.name])
    return contents


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.tar"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_plain_and_gzipped_archives_of_every_format(path, form, pack_tar):
    files = FILES | {"nsynth-test/audio/" + "long" * 20 + ".wav": b"long"}
    data = pack_tar(files, form)
    assert read(path, data) == read(path, gzip.compress(data)) == files
    assert [member.name for member in members(path)] == list(files)  # members need not be read


NAMES = st.text("abc", min_size=1, max_size=8).map(lambda name: f"nsynth-train/audio/{name}.wav")


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(files=st.dictionaries(NAMES, st.binary(max_size=1600), max_size=4), zipped=st.booleans())
def test_any_files_are_read(path, files, zipped, pack_tar):
    data = pack_tar(files)
    assert read(path, gzip.compress(data) if zipped else data) == files


def test_folders_and_files_of_macos_are_left_out(path, pack_tar):
    assert read(path, with_member(pack_tar(FILES), type=tarfile.DIRTYPE)) == FILES
    assert read(path, pack_tar(FILES | {"nsynth-test/audio/._a.wav": b"mac"})) == FILES
    assert read(path, pack_tar({"./nsynth-test/a": b"1"})) == {"nsynth-test/a": b"1"}


@pytest.mark.parametrize(
    ("attributes", "fact"),
    [
        ({"name": "../evil.wav"}, r"'\.\./evil\.wav' leaves"),
        ({"name": "nsynth-test/../../evil"}, "leaves"),
        ({"name": "nsynth-test/audio/.."}, "leaves"),
        ({"name": "../evil", "type": tarfile.DIRTYPE}, "leaves"),
        ({"name": "/etc/passwd"}, "'/etc/passwd' has an absolute"),
        ({"name": "C:/evil"}, "foreign"),
        ({"name": "nsynth-test\\..\\evil"}, "foreign"),
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "link to '/etc/passwd'"),
        ({"type": tarfile.LNKTYPE, "linkname": "nsynth-test/examples.json"}, "link to 'nsynth-test"),
        ({"type": tarfile.CHRTYPE}, "neither"),
        ({"type": tarfile.FIFOTYPE}, "neither"),
        ({"name": "nsynth-test/examples.json"}, "twice"),
        ({"name": "nsynth-test/./examples.json"}, "twice"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_dangerous_members_are_refused_by_name(path, attributes, fact, zipped, pack_tar):
    data = with_member(pack_tar(FILES), **attributes)
    with pytest.raises(InputError, match=rf"{path}.*{fact}"):
        read(path, gzip.compress(data) if zipped else data)
    assert [item.name for item in path.parent.iterdir()] == ["a.tar"]


def test_an_archive_that_is_cut_anywhere_is_refused(path, pack_tar):
    data = pack_tar(FILES)
    end = data.rindex(b"x") + 1  # of the last member; zeros follow
    for cut in [*range(0, end, 97), 512, 1024, end, end + 511]:
        with pytest.raises(InputError, match=r"a\.tar"):
            read(path, data[:cut])
    # One block of zeros marks the end; more of them are only padding.
    assert read(path, data[: end + 512]) == FILES
    zipped = gzip.compress(data)
    for cut in range(2, len(zipped)):
        with pytest.raises(InputError, match=r"a\.tar"):
            read(path, zipped[:cut])


def test_damaged_headers_wrong_checksums_and_other_files_are_refused(path, pack_tar):
    header = bytearray(pack_tar(FILES))
    header[1024 + 5] ^= 1  # the second header's name
    checksum = bytearray(gzip.compress(pack_tar(FILES)))
    checksum[-6] ^= 1
    for data in (bytes(header), bytes(checksum), b"hello", b"", b"hello" * 500):
        with pytest.raises(InputError, match=r"a\.tar"):
            read(path, data)
    with pytest.raises(InputError, match=r"missing\.tar"):
        read(path.with_name("missing.tar"))


def test_archives_have_the_names_of_archives():
    for name in ("a.tar", "nsynth-train.jsonwav.tar.gz", "a.TGZ"):
        assert is_archive(name)
    assert not is_archive("a.tfrecord") and not is_archive("a.gz")
