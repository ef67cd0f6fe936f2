"""Files appear complete and together, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from symbackprop.errors import OutputError
from symbackprop.output import Staged, place


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_appear_together_when_the_block_ends(tmp_path):
    with Staged() as files:
        files.add(tmp_path / "a" / "b" / "one.txt", "één\n")
        files.add(tmp_path / "two.bin", b"\x00")
        assert not (tmp_path / "two.bin").exists()
    assert (tmp_path / "a" / "b" / "one.txt").read_bytes() == "één\n".encode()
    assert names(tmp_path) == ["a", "two.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_nothing_behind(tmp_path, error):
    (tmp_path / "old.txt").write_text("old")
    with pytest.raises(error), Staged() as files:
        files.add(tmp_path / "new" / "one.txt", "x")
        files.add(tmp_path / "old.txt", "x")
        raise error
    assert names(tmp_path) == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


def test_a_second_file_that_cannot_be_written_takes_the_first_back(tmp_path):
    (tmp_path / "wall").write_text("")
    with pytest.raises(OutputError, match="cannot write"), Staged() as files:
        files.add(tmp_path / "one.txt", "x")
        files.add(tmp_path / "wall" / "two.txt", "x")
    assert names(tmp_path) == ["wall"]


def test_permissions_follow_the_mask(tmp_path):
    kept = os.umask(0o027)
    try:
        with Staged() as files:
            files.add(tmp_path / "one.txt", "x")
    finally:
        os.umask(kept)
    assert (tmp_path / "one.txt").stat().st_mode & 0o777 == 0o640


def test_input_is_never_replaced_under_any_name(tmp_path):
    source = tmp_path / "net.toml"
    source.write_text("text")
    (tmp_path / "link").symlink_to(source)
    os.link(source, tmp_path / "hard")
    for name in ("net.toml", "link", "hard", "../" + tmp_path.name + "/net.toml"):
        with pytest.raises(OutputError, match="is the input itself"), Staged([source]) as files:
            files.add(tmp_path / name, "new")
    assert source.read_text() == "text"


def test_link_is_replaced(tmp_path):
    (tmp_path / "target").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    with Staged() as files:
        files.add(tmp_path / "link", "new")
        files.add(tmp_path / "dangling", "new")
    assert (tmp_path / "target").read_text() == "kept"
    assert not (tmp_path / "nothing").exists()
    assert (tmp_path / "link").read_text() == (tmp_path / "dangling").read_text() == "new"


def test_folder_in_the_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "net.py").mkdir()
    with pytest.raises(OutputError, match="it is a folder"), Staged() as files:
        files.add(tmp_path / "net.py", "x")


def test_two_results_of_one_name_are_refused(tmp_path):
    with pytest.raises(OutputError, match="two results would be called"), Staged() as files:
        files.add(tmp_path / "x", "1")
        files.add(tmp_path / "x", "2")
    assert names(tmp_path) == []


def test_devices_are_written_to_not_replaced():
    with Staged() as files:
        files.add(Path(os.devnull), "x")
    assert not Path(os.devnull).is_file()


def test_place_is_a_folder_where_it_ends_in_a_slash_or_is_one(tmp_path):
    assert place(f"{tmp_path}", "net.py") == tmp_path / "net.py"
    assert place(f"{tmp_path}/new/", "net.py") == tmp_path / "new" / "net.py"
    assert place(f"{tmp_path}/new", "net.py") == tmp_path / "new"
