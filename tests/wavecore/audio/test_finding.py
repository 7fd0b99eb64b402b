"""Paths that people type, and what they get wrong."""

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


def test_folders_are_searched_and_sorted(folder):
    assert relative(find_audio([folder]), folder) == ["a.FLAC", "b.wav", "sub/c.mp3", "sub/deep/ü 笛.ogg"]


def test_one_path_needs_no_list(folder):
    assert find_audio(folder / "b.wav") == [folder / "b.wav"]
    assert find_audio(str(folder / "b.wav")) == [folder / "b.wav"]


def test_order_is_kept_and_each_file_counts_once(folder):
    found = find_audio([folder / "sub", folder / "b.wav", folder, folder / "sub" / ".." / "b.wav"])
    assert relative(found, folder) == ["sub/c.mp3", "sub/deep/ü 笛.ogg", "b.wav", "a.FLAC"]


def test_named_files_are_taken_whatever_their_suffix(folder):
    assert find_audio([folder / "notes.txt", folder / ".hidden.wav"]) == [
        folder / "notes.txt",
        folder / ".hidden.wav",
    ]


def test_links_in_a_circle_end(folder):
    os.symlink(folder, folder / "sub" / "up")
    assert len(find_audio(folder)) == 4


def test_a_folder_without_audio_says_what_it_saw(tmp_path):
    for name in ("a.txt", "b.txt", "sub/c.mid", "Makefile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError) as raised:
        find_audio(tmp_path)
    message = str(raised.value)
    assert all(suffix in message for suffix in AUDIO_SUFFIXES)
    assert "2 .txt" in message and "1 .mid" in message and "1 without a suffix" in message


def test_an_empty_folder_and_one_of_many_kinds(tmp_path):
    with pytest.raises(InputError, match="no files at all"):
        find_audio(tmp_path)
    for index in range(9):
        (tmp_path / f"x.kind{index}").touch()
    with pytest.raises(InputError, match="and 3 other kinds"):
        find_audio(tmp_path)


def test_a_folder_that_cannot_be_read_is_not_passed_over(folder, monkeypatch):
    listing = os.scandir

    def refuse(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="cannot look into .*deep: Permission denied"):
        find_audio(folder)


def test_a_name_too_long():
    with pytest.raises(InputError, match="File name too long"):
        find_audio("n" * 300)


def test_nothing_named():
    with pytest.raises(InputError, match="no input was named"):
        find_audio([])


def test_a_missing_path_comes_with_a_near_miss(folder):
    (folder / "Whistle-Take-2.wav").touch()
    with pytest.raises(InputError, match=r"did you mean .*Whistle-Take-2\.wav\?"):
        find_audio([folder / "whistle_take_2.wav"])
    with pytest.raises(InputError, match=r"there is no folder .*subb; did you mean .*sub\?"):
        find_audio([folder / "subb" / "deep" / "x.wav"])


def test_a_missing_path_without_a_near_miss(folder):
    error = missing_path(folder / "completely different")
    assert isinstance(error, InputError)
    assert "does not exist; check the spelling" in str(error) and os.getcwd() in str(error)


def test_a_missing_relative_path(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert "did you mean b.wav?" in str(missing_path("bb.wav"))


def test_a_path_below_a_file(folder):
    assert "b.wav: Not a directory" in str(missing_path(folder / "b.wav" / "x.wav"))
