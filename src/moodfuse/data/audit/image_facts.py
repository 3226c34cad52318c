"""What each image file is: decoded once, in threads, for every check that looks at images."""

from __future__ import annotations

from dataclasses import dataclass

from moodfuse.data.duplicates import Fingerprint, fingerprint
from moodfuse.data.images import each_image, look_at, read_image
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
    found = each_image(posts, examine_image, progress, "looking at images")
    return {id: tuple(facts) for id, facts in found.items()}


def examine_image(ref: ImageRef) -> ImageFacts:
    """Decode an image and return what it is. Never raises for what a file holds."""
    data = read_image(ref)
    if isinstance(data, Unread):
        return ImageFacts((data.status,), detail=data.detail, ref=ref)
    found = look_at(data)
    seen = None if found.image is None else fingerprint(found.image, data)
    width, height = found.size or (None, None)
    return ImageFacts(found.status, len(data), found.format, found.mode, width, height, seen, found.detail, ref)
