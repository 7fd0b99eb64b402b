"""Files and folders that a user names, and what is wrong with them."""

import os

import pytest

from wavecore.audio.finding import AUDIO_SUFFIXES, find_audio, missing_path
from wavecore.errors import InputError


@pytest.fixture
def folder(tmp_path):
    audio = ("b.wav", "a.FLAC", "sub/c.mp3", "sub/deep/ü 笛.ogg")
    for name in (*audio, "notes.txt", ".hidden.wav", ".git/d.wav"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


def relative(paths, folder):
    return [str(path.relative_to(folder)) for path in paths]


def test_folders_are_searched_and_sorted_and_circular_links_end(folder):
    os.symlink(folder, folder / "sub" / "up")
    assert relative(find_audio([folder]), folder) == ["a.FLAC", "b.wav", "sub/c.mp3", "sub/deep/ü 笛.ogg"]


def test_order_is_kept_and_each_file_counts_once(folder):
    files = find_audio([folder / "sub", folder / "b.wav", folder, folder / "sub" / ".." / "b.wav"])
    assert relative(files, folder) == ["sub/c.mp3", "sub/deep/ü 笛.ogg", "b.wav", "a.FLAC"]


def test_named_files_are_kept_whatever_their_suffix(folder):
    named = [folder / "notes.txt", folder / ".hidden.wav"]
    assert find_audio(named) == named and find_audio(str(named[0])) == find_audio(named[0]) == named[:1]


def test_a_folder_without_audio_is_an_error_that_counts_its_files(tmp_path):
    for name in ("a.txt", "b.txt", "sub/c.mid", "Makefile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError) as raised:
        find_audio(tmp_path)
    message = str(raised.value)
    assert all(suffix in message for suffix in (*AUDIO_SUFFIXES, "2 .txt", "1 .mid", "1 without a suffix"))


def test_no_path_an_impossible_one_an_empty_folder_and_one_of_many_suffixes(tmp_path):
    for paths, value in (([], "no input"), ("n" * 300, "too long"), (tmp_path, str(tmp_path))):
        with pytest.raises(InputError, match=value):
            find_audio(paths)
    for index in range(9):
        (tmp_path / f"x.kind{index}").touch()
    with pytest.raises(InputError, match="and 3 other"):
        find_audio(tmp_path)


def test_a_folder_that_cannot_be_read_is_an_error(folder, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="deep: Permission denied"):
        find_audio(folder)


def test_a_missing_path_suggests_the_nearest_name(folder, monkeypatch):
    (folder / "Whistle-Take-2.wav").touch()
    with pytest.raises(InputError, match=r"Whistle-Take-2\.wav\?"):
        find_audio([folder / "whistle_take_2.wav"])
    with pytest.raises(InputError, match=r"/subb; .*/sub\?"):
        find_audio([folder / "subb" / "deep" / "x.wav"])
    monkeypatch.chdir(folder)
    assert "b.wav?" in str(missing_path("bb.wav"))


def test_a_missing_path_without_a_similar_name_and_one_below_a_file(folder):
    error = missing_path(folder / "completely different")
    assert isinstance(error, InputError) and "?" not in str(error) and os.getcwd() in str(error)
    assert "b.wav: Not a directory" in str(missing_path(folder / "b.wav" / "x.wav"))
