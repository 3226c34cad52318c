"""The process of its own in which `probe` tries a bundle."""

from __future__ import annotations

import io
import math
import sys
import time
from pathlib import Path

from PIL import Image

from moodfuse.data.posts import ImageRef, Post
from moodfuse.errors import BundleError, MoodfuseError, in_a_line
from moodfuse.runtime.bundle import read_bundle
from moodfuse.runtime.predictor import Predictor
from moodfuse.runtime.probe import REFUSED

#: Words, numbers, signs, scripts, and what makes an expression of a tokenizer go back and forth.
_TEXT = "What a day! 10.5 % off, see #sale @shop :-) 真不错 \N{POUTING FACE} " + "a" * 500 + "!" + " ab" * 100


def answer(folder: str, seconds: str, most_bytes: str) -> None:
    """Open a bundle and answer a post of text and image, and one of each alone, within limits from here on.

    Ends the process with `REFUSED`, and the reason on stdout, where that cannot be done.
    """
    _limit(int(seconds), int(most_bytes))
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "PNG")
    image = ImageRef(buffer.getvalue())
    posts = [Post("both", _TEXT, image, None), Post("text", _TEXT, None, None), Post("image", None, image, None)]
    why = ""
    try:
        list(Predictor(read_bundle(Path(folder), tried=True), threads=1).stream(posts))
    except BundleError as error:
        why = str(error)
    except MoodfuseError:  # a package that is not installed: who reads the bundle is told
        sys.exit(1)
    except Exception as error:
        why = f"{folder}: no post can be answered with it ({type(error).__name__}: {in_a_line(error)})"
    if why:
        sys.stdout.buffer.write(why.encode("utf-8", "replace"))
        sys.stdout.flush()
        sys.exit(REFUSED)


def _limit(seconds: int, most_bytes: int) -> None:
    """Have the system end this process after so many more seconds of CPU time, and refuse it more memory."""
    try:
        import resource
    except ImportError:  # Windows
        return
    until = math.ceil(time.process_time()) + seconds
    limits = {resource.RLIMIT_CPU: until, resource.RLIMIT_DATA: most_bytes, resource.RLIMIT_CORE: 0}
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, hard))
