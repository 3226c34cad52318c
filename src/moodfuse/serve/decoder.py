"""The process that decodes costly images for a worker: `python -m moodfuse.serve.decoder`.

On stdin come images with the pixels that they may have and the shorter side that is enough, on stdout what was seen,
both as a few lengths, JSON and bytes: what hostile bytes may make of this process must run nothing in the worker. The
end of stdin, which comes with the worker's own death too, ends this process whatever it decodes.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import struct
import sys
import threading
from pathlib import Path
from typing import IO, Any

from moodfuse.data.image_cost import image_limits
from moodfuse.data.images import Seen, look_at

_LENGTHS = struct.Struct("<IQ")  # of the JSON and of the bytes
_LONGEST = 2**30  # bytes
_NICENESS = 10  # the worker's own threads get nine tenths of a core that both want
_BESIDE = 500_000_000  # bytes of address space beside twice the limit of bytes that decoding takes


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the worker ends this process
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    _limit_memory()
    asked: queue.SimpleQueue[tuple[bytes, int, int]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    while True:
        data, max_pixels, enough = asked.get()
        write_message(sys.stdout.buffer, *_told(look_at(data, max_pixels=max_pixels, enough=enough)))


def write_message(stream: IO[bytes], header: Any, body: bytes) -> None:
    """Write what JSON holds, and bytes."""
    head = json.dumps(header).encode()
    stream.write(_LENGTHS.pack(len(head), len(body)) + head)
    stream.write(body)
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[Any, bytes]:
    """Read what `write_message` wrote. Raises `EOFError` where it ends early, `ValueError` where it is none."""
    head, body = _LENGTHS.unpack(_read(stream, _LENGTHS.size))
    if max(head, body) > _LONGEST:
        raise ValueError("no message of a decoder")
    return json.loads(_read(stream, head)), _read(stream, body)


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _told(seen: Seen) -> tuple[dict[str, Any], bytes]:
    known = {"status": seen.status, "detail": seen.detail, "format": seen.format, "mode": seen.mode, "size": seen.size}
    image = seen.image
    return (known | {"image": None}, b"") if image is None else (known | {"image": image.size}, image.tobytes())


def _listen(asked: queue.SimpleQueue[tuple[bytes, int, int]]) -> None:
    try:
        while True:
            (max_pixels, enough), data = read_message(sys.stdin.buffer)
            asked.put((data, max_pixels, enough))
    finally:
        os._exit(0)


def _limit_memory() -> None:
    """Have what wants far more memory than its header says fail, instead of the machine. Linux tells what is held."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        most = held + 2 * image_limits().image_bytes + _BESIDE
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
