"""Builds the ARM root in which the tests run the real aarch64 LiteRT under emulation.

    python -m tests.backends.arm.setup_rootfs [--force]

The root is a folder (`emulator.root_folder`) that holds what a Debian for arm64 needs to run
Python, the aarch64 wheels of LiteRT, TVM and numpy in the very versions installed here, and the
files by which a program recognises a Raspberry Pi 4. Nothing in it is ever executed by this
machine, so no package is configured and no maintainer script runs; packages are only unpacked.

apt works on a state of its own beside the root: this machine's package lists, architectures and
installed packages stay as they are. The only things installed here, when they are missing, are the
emulator and a compiler for ARM, and only that needs root.

A root that has proved to work carries a stamp with the versions it was made of. It is used as it
is for as long as they match, and replaced as a whole otherwise.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.backends.arm.emulator import EMULATOR, SITE_PACKAGES, STAMP, root_folder, run_on_arm

DEBIAN_PACKAGES = ("python3", "libstdc++6")
"""Roots of the dependency closure: Python, and the C++ runtime that LiteRT is linked against."""

WHEELS = ("ai-edge-litert", "apache-tvm", "apache-tvm-ffi", "numpy")

NEEDED_TO_COMPILE = ("lib/libtvm_compiler.so", "3rdparty", "include")
"""What takes up most of TVM's wheel and is not needed to run what it compiled."""

TOOLS = {EMULATOR: "qemu-user-static", "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu"}
"""What this machine needs, and the Debian package that has it."""

GLIBC_MINOR_VERSIONS = range(17, 37)
"""manylinux tags a wheel may carry: glibc 2.17 (the first for aarch64) to 2.36 (Debian 12)."""

CPU_COUNT = 4

CPUINFO_CORE = """\
processor\t: {index}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""
"""One Cortex-A72 r0p3 of /proc/cpuinfo; 0x41 is Arm, 0xd08 the A72 (MIDR_EL1 in its manual)."""

CPUINFO_BOARD = """\
Hardware\t: BCM2711
Revision\t: c03111
Model\t\t: Raspberry Pi 4 Model B Rev 1.1
"""


def quiet(command: list[str]) -> str:
    """Run a command and return its standard output; on failure show what it said and exit."""
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        sys.exit(
            f"error: {' '.join(command)}\nexit status {process.returncode}\n"
            f"{process.stdout}{process.stderr}"
        )
    return process.stdout


def install_tools() -> None:
    """Install QEMU's user mode and a compiler for ARM from the system's packages unless there."""
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if not missing:
        return
    if os.geteuid() != 0:
        sys.exit(f"error: only root can install what is missing: {' '.join(missing)}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    quiet(["apt-get", "-qq", "update"])
    quiet(["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing])


def unpack_debian_packages(root: Path, state: Path) -> None:
    """Download DEBIAN_PACKAGES and all they depend on for arm64 and unpack them into the root.

    apt is made to believe in an arm64 machine on which nothing is installed.
    """
    for folder in ("lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True)
    (state / "status").touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
        "Dir::Cache": str(state / "cache"),
        "Dir::State": str(state),
        "Dir::State::status": str(state / "status"),
    }
    apt = ["apt-get", "-qq", "-y"]
    for name, value in options.items():
        apt += ["-o", f"{name}={value}"]
    quiet([*apt, "update"])
    quiet([*apt, "install", "--download-only", *DEBIAN_PACKAGES])
    for package in sorted((state / "cache" / "archives").glob("*.deb")):
        quiet(["dpkg-deb", "--extract", str(package), str(root)])
    # Releases since Debian 13 ship nothing in /lib and leave the link to a maintainer script.
    if not (root / "lib").exists():
        (root / "lib").symlink_to("usr/lib")


def unpack_wheels(root: Path, versions: dict[str, str]) -> None:
    """Install the aarch64 wheels of `versions`, and what they depend on, for the root's Python."""
    python_version = (root / "usr" / "bin" / "python3").readlink().name.removeprefix("python")
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in GLIBC_MINOR_VERSIONS]
    quiet(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"),
            *("--target", str(root / SITE_PACKAGES), "--only-binary=:all:"),
            *("--implementation=cp", f"--python-version={python_version}"),
            *platforms,
            *(f"{name}=={version}" for name, version in versions.items()),
        ]
    )
    for part in NEEDED_TO_COMPILE:
        path = root / SITE_PACKAGES / "tvm" / part
        quiet(["rm", "-r", str(path)])


def describe_raspberry_pi(root: Path) -> None:
    """Write the files from which LiteRT learns what processor it runs on.

    Without them it would read this machine's, find no ARM core described there and crash.
    """
    (root / "proc").mkdir(exist_ok=True)
    cores = "".join(CPUINFO_CORE.format(index=index) for index in range(CPU_COUNT))
    (root / "proc" / "cpuinfo").write_text(cores + CPUINFO_BOARD)
    cpus = root / "sys" / "devices" / "system" / "cpu"
    cpus.mkdir(parents=True)
    for name in ("present", "possible", "online"):
        (cpus / name).write_text(f"0-{CPU_COUNT - 1}\n")


def expected_stamp() -> dict[str, object]:
    """What a root built now by this file would be made of."""
    return {
        "wheels": {name: importlib.metadata.version(name) for name in WHEELS},
        "builder": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }


def is_current(root: Path) -> bool:
    """Whether the root is complete and made of what this machine would make it of."""
    stamp = root / STAMP
    return stamp.is_file() and json.loads(stamp.read_text()) == expected_stamp()


def build(root: Path) -> None:
    """Build the root beside its final place and move it there as a whole."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="arm-rootfs-", dir=root.parent) as scratch:
        unfinished = Path(scratch) / "root"
        unfinished.mkdir()
        unpack_debian_packages(unfinished, Path(scratch) / "apt")
        unpack_wheels(unfinished, {name: importlib.metadata.version(name) for name in WHEELS})
        describe_raspberry_pi(unfinished)
        if root.exists():
            shutil.rmtree(root)
        unfinished.rename(root)


def main() -> None:
    """Build the root when it is missing, out of date or asked for anew."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--force", action="store_true", help="build even when up to date")
    arguments = parser.parse_args()

    install_tools()
    root = root_folder()
    if is_current(root) and not arguments.force:
        return
    start = time.monotonic()
    build(root)
    machine = run_on_arm(Path(__file__).with_name("show_machine.py")).stdout.strip()
    (root / STAMP).write_text(json.dumps(expected_stamp(), indent=2) + "\n")
    print(f"{root}: {machine} (built in {time.monotonic() - start:.0f} s)")


if __name__ == "__main__":
    main()
