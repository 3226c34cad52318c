"""The process that decodes costly images for a worker: `python -m moodfuse.serve.decoder`.

On stdin come pairs of an image's bytes and the pixels that it may have, on stdout what was seen, both pickled; stdin is
the worker's alone. Its end, which comes with the worker's own death too, ends this process whatever it decodes.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import sys
import threading
from pathlib import Path

from moodfuse.data.image_cost import image_limits
from moodfuse.data.images import look_at

_NICENESS = 10  # the worker's own threads get nine tenths of a core that both want
_BESIDE = 500_000_000  # bytes of address space beside twice the limit of bytes that decoding takes


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the worker ends this process
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    _limit_memory()
    asked: queue.SimpleQueue[tuple[bytes, int]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    while True:
        data, max_pixels = asked.get()
        pickle.dump(look_at(data, max_pixels=max_pixels), sys.stdout.buffer, protocol=pickle.HIGHEST_PROTOCOL)
        sys.stdout.buffer.flush()


def _listen(asked: queue.SimpleQueue[tuple[bytes, int]]) -> None:
    try:
        while True:
            asked.put(pickle.load(sys.stdin.buffer))  # noqa: S301 (the worker's own)
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
