"""A file is whole or not there."""

import os
import stat

import pytest

from huashi._files import atomic_file, atomic_folder, write_atomically


def test_writes_and_makes_folders(tmp_path):
    write_atomically(tmp_path / "a" / "b.txt", b"hello")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"hello"


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail_half_way():
        with atomic_file(path) as file:
            file.write(b"new and unfin")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        fail_half_way()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_nothing_is_visible_before_the_end(tmp_path):
    path = tmp_path / "file"
    with atomic_file(path) as file:
        file.write(b"part")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"part"


def test_a_link_stays_a_link_and_a_device_a_device(tmp_path):
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to("real")
    write_atomically(tmp_path / "link", b"content")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"content"
    write_atomically(os.devnull, b"content")
    assert not os.path.isfile(os.devnull)


def test_permissions_are_those_of_any_new_file(tmp_path):
    write_atomically(tmp_path / "ours", b"")
    (tmp_path / "theirs").touch()
    ours, theirs = (stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("ours", "theirs"))
    assert ours == theirs


def test_a_folder_appears_whole_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "some" / "folder"
    for content in ("old", "new"):
        with atomic_folder(path) as folder:
            (folder / content).touch()
            assert not (path / content).exists()
        assert os.listdir(path) == [content]

    def fail_half_way():
        with atomic_folder(path) as folder:
            (folder / "other").touch()
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        fail_half_way()
    assert os.listdir(path) == ["new"]
    assert os.listdir(path.parent) == ["folder"]


def test_what_a_killed_process_of_the_same_id_left_is_in_nobodys_way(tmp_path):
    (tmp_path / f".folder.{os.getpid()}").mkdir()
    with atomic_folder(tmp_path / "folder") as folder:
        (folder / "file").touch()
    assert os.listdir(tmp_path / "folder") == ["file"]
    ours = stat.S_IMODE((tmp_path / "folder").stat().st_mode)
    (tmp_path / "theirs").mkdir()
    assert ours == stat.S_IMODE((tmp_path / "theirs").stat().st_mode)


def test_an_error_of_the_disk_names_the_file(tmp_path):
    def on_a_full_disk(open_file):
        with open_file(tmp_path / "a.json"):
            raise OSError(28, "No space left on device")

    for open_file in (atomic_file, atomic_folder):
        with pytest.raises(OSError, match=r"No space left on device: '.*a\.json'"):
            on_a_full_disk(open_file)
