"""Images that kill the process that decodes them: tried in a process whose death costs nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType

from moodfuse.data.images import image_bytes, look, read_of
from moodfuse.data.posts import ImageRef, ImageUri, Post

_COMMAND = (sys.executable, "-P", "-c", "from moodfuse.scale.quarantine import taste; taste()")
_LENGTH = 8  # bytes before each image that say how many follow
_UNREADABLE = ImageRef(b"")


class Quarantine:
    """Decodes images in a process of its own, which is started anew when an image has killed it."""

    def __init__(self, command: Sequence[str] = _COMMAND) -> None:
        self._command = command
        self._taster: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Quarantine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def posts(self, posts: Iterable[Post]) -> Iterator[Post]:
        """Yield the posts; an image that is read and kills the process becomes one that cannot be read."""
        for post in posts:
            tried = read_of(post.images)
            images = [image if self.survives(image) else _UNREADABLE for image in tried]
            images += post.images[len(tried) :]
            yield replace(post, image=images[0] if images else None, more_images=tuple(images[1:]))

    def survives(self, image: ImageRef) -> bool:
        """Say whether decoding an image leaves the process alive."""
        if isinstance(image, ImageUri):  # fetched later, and once: not tried
            return True
        data = image_bytes(image)
        if data is None:  # not there, or too large: never decoded
            return True
        taster = self._taster = self._taster or self._start()
        assert taster.stdin is not None
        assert taster.stdout is not None
        try:
            taster.stdin.write(len(data).to_bytes(_LENGTH, "big") + data)
            taster.stdin.flush()
            alive = taster.stdout.read(1) == b"."
        except BrokenPipeError:
            alive = False
        if not alive:
            self._stop()
        return alive

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _stop(self) -> None:
        if self._taster is not None:
            self._taster.kill()
            self._taster.wait()
            for stream in (self._taster.stdin, self._taster.stdout):
                if stream is not None:
                    try:
                        stream.close()
                    except BrokenPipeError:
                        continue  # the half-written image that it died of
        self._taster = None


def taste() -> None:
    """Decode the images that come in on stdin, and answer a dot for each."""
    given, answers = sys.stdin.buffer, sys.stdout.buffer
    while length := given.read(_LENGTH):
        look(ImageRef(given.read(int.from_bytes(length, "big"))))
        answers.write(b".")
        answers.flush()
