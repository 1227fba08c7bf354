"""An ssh server that lets one key in and runs what it asks for: `python server.py FOLDER`.

The folder holds `host_key` and `authorized_keys`. The port goes to the standard output. As with
OpenSSH's server, a client that is gone closes the pipes of what it started and stops nothing.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path

import asyncssh


async def run(session: asyncssh.SSHServerProcess[bytes]) -> None:
    child = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", session.command or "", stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    # The end of one output would close the channel for the other.
    await session.redirect(stdout=child.stdout, stderr=child.stderr, send_eof=False)
    feeding = asyncio.create_task(feed(session.stdin, child.stdin))
    status = await child.wait()
    feeding.cancel()
    # A client that is gone hears nothing of how it ended.
    with suppress(OSError, asyncssh.Error):
        await session.stdout.drain()
        await session.stderr.drain()
        session.exit(status) if status >= 0 else session.exit_with_signal("KILL")


async def feed(source: asyncssh.SSHReader[bytes], pipe: asyncio.StreamWriter) -> None:
    # Either end may leave before the other: the exit status tells what became of it.
    with suppress(OSError, asyncssh.Error):
        while content := await source.read(1 << 16):
            pipe.write(content)
            await pipe.drain()
    pipe.close()


async def main() -> None:
    folder = Path(sys.argv[1])
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[str(folder / "host_key")],
        authorized_client_keys=str(folder / "authorized_keys"),
        process_factory=run,
        encoding=None,
    )
    print(server.get_port(), flush=True)
    await server.wait_closed()


asyncio.run(main())
