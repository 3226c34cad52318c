"""What a request may cost, and how the service is set up: one frozen model, handed to every worker."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from moodfuse.config import Section
from moodfuse.data.images import MAX_PIXELS
from moodfuse.data.text import MAX_CHARS

MEBIBYTE = 2**20


class Limits(Section):
    """On by default; most are an option of `moodfuse serve`."""

    body_bytes: int = Field(16 * MEBIBYTE, ge=1, description="bytes of a request for one post")
    batch_bytes: int = Field(256 * MEBIBYTE, ge=1, description="bytes of a batch as it is sent")
    unpacked_bytes: int = Field(1024 * MEBIBYTE, ge=1, description="bytes of a zip's files once unpacked")
    ratio: int = Field(200, ge=1, description="how many times its size a zipped file over 1 MiB may grow")
    pixels: int = Field(MAX_PIXELS, ge=1, le=MAX_PIXELS, description="pixels of an image")
    text_chars: int = Field(MAX_CHARS, ge=1, description="characters of a text in a request for one post")
    posts: int = Field(10_000, ge=1, description="posts of a batch")
    seconds: float = Field(30.0, gt=0, description="seconds that a request may take, its upload included")
    batch_seconds: float = Field(600.0, gt=0, description="seconds that a batch may take")
    idle_seconds: float = Field(10.0, gt=0, description="seconds that a client may send nothing of what it has begun")
    waiting_bytes: int = Field(256 * MEBIBYTE, ge=1, description="bytes of all unfinished requests for one post")
    connections: int = Field(512, ge=1, description="connections at a time; the longest without a whole request goes")
    in_flight: int = Field(64, ge=1, description="whole requests worked on at a time; more come again (429)")
    explanations: int = Field(4, ge=1, description="explanations of those; they are worked on one at a time")
    decode_seconds: float = Field(10.0, gt=0, description="seconds that decoding a costly image may take")
    batch_size: int = Field(32, ge=1, le=1024, description="posts of different requests that are run together")
    batch_wait_ms: float = Field(0.0, ge=0, le=1000, description="milliseconds that a post waits for company")


class Access(Section):
    """Who may ask, and how much."""

    limits: Limits = Limits()
    keys: tuple[str, ...] = Field((), description="SHA-256 of each key; none: no key is asked for")
    hosts: tuple[str, ...] = Field((), description="names that the Host header may give; none: any")
    open_page: bool = Field(False, description="whether a page's own files are given without a key: they hold nothing")


class Settings(Access):
    """All that a worker needs to know. `folder` is the service's own temporary one."""

    bundle: Path
    folder: Path
    page: bool = True
    graphs: Path | None = Field(None, description="folder of graphs whose weights several workers share")
    threads: int | None = Field(None, ge=1)
    device: str = Field("cpu", description="where the encoders run, or auto")
    stop_seconds: float = Field(60.0, gt=0, description="seconds that accepted requests get when the service stops")
