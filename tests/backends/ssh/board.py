"""A board on loopback: an ssh server, keys for it, and a Python with nothing but LiteRT."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from fpc.measure.ssh.board import Board

PACKAGES = ("numpy", "ai-edge-litert")


@dataclass(frozen=True)
class LoopbackBoard:
    """`folder` holds the keys and the client's configuration, `temporary` is the board's /tmp."""

    folder: Path
    port: int
    server: subprocess.Popen[str]

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def client(self) -> tuple[str, ...]:
        return ("ssh", "-F", str(self.folder / "config"))

    def reached(self, python: Path | str | None = None) -> Board:
        """The board as fpc is told of it, with one of its Pythons."""
        python = self.folder / "python" if python is None else python
        return Board(f"user@127.0.0.1:{self.port}", str(python), self.client)

    def python(self, name: str, text: str) -> Path:
        """A Python on the board that is really the shell script `text`."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def stop(self) -> None:
        self.server.kill()
        self.server.communicate()


def start(folder: Path) -> LoopbackBoard:
    """A board whose keys nobody else has; skips where there is no ssh."""
    pytest.importorskip("asyncssh", reason="the board on loopback is a server of asyncssh")
    if shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("measuring on a board needs ssh (Debian: openssh-client)")
    for name in ("host_key", "user_key"):
        words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
        subprocess.run(words, check=True)
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    (folder / "tmp").mkdir()
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("server.py")), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
    )
    port = int(server.stdout.readline())
    public_key = (folder / "host_key.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public_key}")
    (folder / "config").write_text(
        f"IdentityFile {folder / 'user_key'}\nIdentitiesOnly yes\n"
        f"UserKnownHostsFile {folder / 'known_hosts'}\nGlobalKnownHostsFile /dev/null\n"
    )
    board = LoopbackBoard(folder, port, server)
    board.python("python", f'PYTHONPATH={_packages(folder)} exec {sys.executable} -S "$@"')
    return board


def _packages(folder: Path) -> Path:
    """A folder with what `PACKAGES` installed, and nothing else of this environment."""
    packages = folder / "site-packages"
    packages.mkdir()
    for package in PACKAGES:
        distribution = importlib.metadata.distribution(package)
        for name in {file.parts[0] for file in distribution.files or ()} - {".."}:
            (packages / name).symlink_to(distribution.locate_file(name))
    return packages
