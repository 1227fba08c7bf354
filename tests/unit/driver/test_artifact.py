"""Artifacts appear whole or not at all."""

import os
from pathlib import Path

import pytest

from fpc.diagnostics.errors import UsageError
from fpc.driver.artifact import check_writable, default_directory, write_directory


def _left_behind(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.name.startswith(".fpc-"))


def test_files_are_written(tmp_path: Path):
    directory = tmp_path / "deep" / "out"
    write_directory(directory, {"report.json": b"{}", "model.tflite": b"abc"})
    assert (directory / "model.tflite").read_bytes() == b"abc"
    assert _left_behind(directory.parent) == []


def test_an_old_artifact_is_replaced_whole(tmp_path: Path):
    directory = tmp_path / "out"
    write_directory(directory, {"report.json": b"1", "old.bin": b""})
    write_directory(directory, {"report.json": b"2"})
    assert sorted(path.name for path in directory.iterdir()) == ["report.json"]
    assert _left_behind(tmp_path) == []


def test_a_directory_that_is_not_an_artifact_is_left_alone(tmp_path: Path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UsageError, match="not an artifact"):
        write_directory(tmp_path, {"report.json": b""})
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_a_file_in_the_way_is_an_error(tmp_path: Path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        check_writable(tmp_path / "out")


def test_a_parent_that_is_a_file_is_an_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as caught:
        check_writable(tmp_path / "file" / "out")
    assert caught.value.code == "usage.output"


def test_failure_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    directory = tmp_path / "out"
    write_directory(directory, {"report.json": b"old"})

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="No space left"):
        write_directory(directory, {"report.json": b"new"})
    assert (directory / "report.json").read_text() == "old"
    assert _left_behind(tmp_path) == []


def test_interrupt_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupted(self: Path, content: bytes) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_directory(tmp_path / "out", {"report.json": b"new"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_parent_is_an_error(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="cannot write"):
        check_writable(tmp_path / "out")


def test_default_directory_is_beside_the_model():
    assert default_directory(Path("a/net.onnx"), "host") == Path("a/net-host")
