"""What each image file is: decoded once, in threads, for every check that looks at images."""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from moodfuse.data.duplicates import Fingerprint, fingerprint
from moodfuse.data.fetching import fetch_ahead
from moodfuse.data.image_decoding import parse_header
from moodfuse.data.images import look_at, read_image, read_of
from moodfuse.data.posts import ImageRef, Posts, Status, Unread
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
    #: what a status alone does not say
    detail: str = ""
    #: where the image comes from
    ref: ImageRef | None = None

    @property
    def readable(self) -> bool:
        """Whether there is something to see."""
        return self.fingerprint is not None


def examine_images(posts: Posts, progress: Progress = silent) -> dict[str, tuple[ImageFacts, ...]]:
    """Decode every image once and return what each is, by its post's id; posts without one are left out."""
    pictured = [(post.id, image) for post in posts for image in read_of(post.images)]
    fetch_ahead(image for _, image in pictured)
    found: defaultdict[str, tuple[ImageFacts, ...]] = defaultdict(tuple)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        examined = pool.map(examine_image, (ref for _, ref in pictured))
        for done, ((id, _), facts) in enumerate(zip(pictured, examined, strict=True), start=1):
            found[id] += (facts,)
            progress("looking at images", done, len(pictured))
    return dict(found)


def examine_image(ref: ImageRef) -> ImageFacts:
    """Decode an image and return what it is. Never raises for what a file holds."""
    data = read_image(ref)
    if isinstance(data, Unread):
        return ImageFacts((data.status,), detail=data.detail, ref=ref)
    found = look_at(data)
    known = ImageFacts(found.status, len(data), detail=found.detail, ref=ref)
    try:
        header = parse_header(data)
    except Exception:  # Pillow raises nearly everything for hostile bytes
        return known
    return replace(
        known,
        format=header.format,
        mode=header.mode,
        width=header.width,
        height=header.height,
        fingerprint=None if found.image is None else fingerprint(found.image, data),
    )
