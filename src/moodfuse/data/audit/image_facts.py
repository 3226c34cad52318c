"""What each image file is: decoded once, in threads, for every check that looks at images."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from moodfuse.data.duplicates import Fingerprint, fingerprint
from moodfuse.data.images import open_image, parse_header, read_image
from moodfuse.data.posts import ImageRef, Posts, Status
from moodfuse.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image file is; `None` for what cannot be told of it."""

    #: an empty tuple where all is well
    status: tuple[Status, ...] = ()
    #: of the file, in bytes
    size: int | None = None
    #: JPEG, PNG ...: by the bytes, not by the name
    format: str | None = None
    #: Pillow's name of the pixels: RGB, L (grey), P (palette), CMYK ...
    mode: str | None = None
    #: in pixels, as the file says
    width: int | None = None
    height: int | None = None
    fingerprint: Fingerprint | None = None

    @property
    def readable(self) -> bool:
        """Whether there is something to see."""
        return self.fingerprint is not None


def examine_images(posts: Posts, progress: Progress = silent) -> dict[str, ImageFacts]:
    """Decode every image once and return what it is, by id; posts without one are left out."""
    pictured = [(post.id, post.image) for post in posts if post.image is not None]
    found: dict[str, ImageFacts] = {}
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for (id, _), facts in zip(pictured, pool.map(examine_image, (ref for _, ref in pictured)), strict=True):
            found[id] = facts
            progress("looking at images", len(found), len(pictured))
    return found


def examine_image(ref: ImageRef) -> ImageFacts:
    """Decode an image and return what it is. Never raises for what a file holds."""
    data = read_image(ref)
    if isinstance(data, Status):
        return ImageFacts((data,))
    image, status = open_image(ImageRef(data))
    try:
        header = parse_header(data)
    except Exception:  # Pillow raises nearly everything for hostile bytes
        return ImageFacts(tuple(status), len(data))
    return ImageFacts(
        tuple(status),
        len(data),
        header.format,
        header.mode,
        *header.size,
        None if image is None else fingerprint(image, data),
    )
