"""Files appear whole or not at all."""

import os

import pytest

from wavecore.audio import output
from wavecore.errors import OutputExistsError, UsageError, WavecoreError


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / "new" / "folder" / "ü.txt"
    with output.whole_file(path) as temporary:
        assert temporary.parent == path.parent and temporary.suffix == ".txt"
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["ü.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("older", [[], ["a.txt"]])
def test_a_failure_leaves_nothing_behind(tmp_path, error, older):
    for name in older:
        (tmp_path / name).write_text("old")
    with pytest.raises(error), output.whole_file(tmp_path / "a.txt", overwrite=True) as temporary:
        temporary.write_text("half")
        raise error
    assert os.listdir(tmp_path) == older
    assert all((tmp_path / name).read_text() == "old" for name in older)


def test_an_existing_file_is_refused_at_the_start_or_replaced(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OutputExistsError, match=r"a\.txt"), output.whole_file(path):
        pytest.fail("the block must not run")
    with output.whole_file(path, overwrite=True) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["a.txt"]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(OutputExistsError), output.whole_file(path) as temporary:
        temporary.write_text("mine")
        path.write_text("theirs")
    assert path.read_text() == "theirs" and os.listdir(tmp_path) == ["a.txt"]


def test_folders_and_devices_are_refused(tmp_path):
    for path in (tmp_path, "/dev/null"):
        with pytest.raises(UsageError, match=str(path)):
            output.refuse_existing(path, overwrite=True)


def test_a_folder_that_cannot_be_made_and_a_block_that_writes_nothing(tmp_path):
    with pytest.raises(WavecoreError, match=r"a\.txt"), output.whole_file(tmp_path / "a.txt"):
        pass
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(WavecoreError, match="file/a.txt"), output.whole_file(tmp_path / "file" / "a.txt"):
        pytest.fail("the block must not run")


def test_the_longest_names_work_and_permissions_are_usual(tmp_path):
    path, plain = tmp_path / ("n" * 251 + ".txt"), tmp_path / "plain"
    plain.write_text("")
    with output.whole_file(path) as temporary:
        temporary.write_text("x")
    assert path.read_text() == "x" and path.stat().st_mode == plain.stat().st_mode
