"""Runs Python programs under emulated 64-bit ARM: a Cortex-A72 as in the Raspberry Pi 4.

QEMU's user mode translates the program's instructions and passes its system calls on to this
machine's kernel, so nothing is booted and no privileges are needed. What the emulated program
opens is looked up in the ARM root first (`setup_rootfs` builds it) and on this machine when the
root does not have it: scripts and data are given by their ordinary paths.

The processor is always `cortex-a72`: under `-cpu max` QEMU 7.2 offers extensions for which the
integer kernels of LiteRT return wrong numbers.
"""

import os
import shutil
import subprocess
from pathlib import Path

EMULATOR = "qemu-aarch64-static"
PROCESSOR = "cortex-a72"
STAMP = "fpc-arm-root.json"
"""Written to the root last: a root without it is not complete."""

SITE_PACKAGES = "opt/site-packages"
"""Where the root keeps the ARM wheels."""


def root_folder() -> Path:
    """The ARM root: `$FPC_ARM_ROOTFS`, or `.cache/arm-rootfs` in the repository."""
    configured = os.environ.get("FPC_ARM_ROOTFS")
    if configured:
        return Path(configured).absolute()
    return Path(__file__).parents[3] / ".cache" / "arm-rootfs"


def unavailable() -> str | None:
    """Why programs cannot be run under emulated ARM here, or None when they can."""
    if shutil.which(EMULATOR) is None:
        return f"{EMULATOR} is not installed; `make arm-root` installs it"
    if not (root_folder() / STAMP).is_file():
        return f"no ARM root at {root_folder()}; `make arm-root` builds it"
    return None


def run_on_arm(
    script: Path, *arguments: str | Path, timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a Python script on the emulated ARM, with numpy and LiteRT importable.

    Returns the finished process with its standard output as text. Raises
    `subprocess.CalledProcessError` when the script fails, its standard error as a note, and
    `subprocess.TimeoutExpired` after `timeout_s` seconds.
    """
    root = root_folder()
    interpreter = root / "usr" / "bin" / "python3"
    command = [
        *(EMULATOR, "-cpu", PROCESSOR, "-L", str(root)),
        *("-E", f"PYTHONHOME={root / 'usr'}", "-E", f"PYTHONPATH={root / SITE_PACKAGES}"),
        str(interpreter.resolve()),
        str(script),
        *map(str, arguments),
    ]
    # A variable meant for this machine's Python or loader must not reach the emulated one.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "LD_", "COVERAGE", "COV_"))
    }
    process = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if process.returncode != 0:
        error = subprocess.CalledProcessError(
            process.returncode, command, process.stdout, process.stderr
        )
        error.add_note(process.stderr)
        raise error
    return process
