"""moodfuse serve"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from moodfuse.cli.device import Device
from moodfuse.cli.offline import Offline, keep_offline
from moodfuse.cli.progress import console
from moodfuse.errors import ConfigError


def serve(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            metavar="[BUNDLE]",
            help="A bundle, a run folder or hf://USER/NAME@REVISION; by default the packaged bundle.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is the whole network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; a process that dies is replaced.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads per worker; by default all cores.")] = None,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Whether the web page is served at /.")] = True,
    keys: Annotated[Path | None, typer.Option(help="File of key hashes; without a key nothing is answered.")] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Another host name of the service, besides the machine's.")
    ] = None,
    max_body: Annotated[float | None, typer.Option(min=0.001, help="MiB of a request for a single post. [16]")] = None,
    max_batch: Annotated[float | None, typer.Option(min=0.001, help="MiB of a batch. [256]")] = None,
    max_unpacked: Annotated[float | None, typer.Option(min=0.001, help="MiB of a zip once unpacked. [1024]")] = None,
    max_pixels: Annotated[int | None, typer.Option(min=1, help="Pixels of an image. [64000000]")] = None,
    max_chars: Annotated[int | None, typer.Option(min=1, help="Characters of a single post's text. [20000]")] = None,
    max_posts: Annotated[int | None, typer.Option(min=1, help="Posts of a batch. [10000]")] = None,
    max_seconds: Annotated[float | None, typer.Option(min=0.1, help="Seconds per request. [30]")] = None,
    max_batch_seconds: Annotated[float | None, typer.Option(min=0.1, help="Seconds per batch. [600]")] = None,
    max_decode_seconds: Annotated[float | None, typer.Option(min=0.1, help="Seconds per costly image. [10]")] = None,
    max_idle_seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds that a client may send nothing of its request. [10]")
    ] = None,
    max_connections: Annotated[int | None, typer.Option(min=1, help="Connections at a time per worker. [512]")] = None,
    max_explanations: Annotated[int | None, typer.Option(min=1, help="Explanations at a time per worker. [4]")] = None,
    max_in_flight: Annotated[int | None, typer.Option(min=1, help="Requests at a time per worker. [64]")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Posts that are predicted together. [32]")] = None,
    batch_wait_ms: Annotated[
        float | None, typer.Option(min=0, help="Milliseconds that a post waits for others. [0]")
    ] = None,
    stop_seconds: Annotated[
        float, typer.Option(min=1, help="Seconds that accepted requests get when the service stops.")
    ] = 60.0,
    allow_anyone: Annotated[
        bool, typer.Option("--allow-anyone", help="Open to the network, answer without a key.")
    ] = False,
    device: Device = "cpu",
    offline: Offline = False,
    new_key: Annotated[bool, typer.Option("--new-key", help="Print a new key and its line for --keys; exit.")] = False,
) -> None:
    """Serve a bundle: a REST API at /v1, its documentation at /docs, a web page at /."""
    from moodfuse.workflows.extras import require_serving

    require_serving()
    if new_key:
        _print_key()
        return
    keep_offline(offline)
    sizes = {"body_bytes": max_body, "batch_bytes": max_batch, "unpacked_bytes": max_unpacked}  # in MiB
    counts = {"pixels": max_pixels, "text_chars": max_chars, "posts": max_posts}
    work = {"in_flight": max_in_flight, "connections": max_connections, "explanations": max_explanations}
    together = {"batch_size": batch_size, "batch_wait_ms": batch_wait_ms}
    times = {"seconds": max_seconds, "batch_seconds": max_batch_seconds}
    waits = {"idle_seconds": max_idle_seconds, "decode_seconds": max_decode_seconds}
    limits: dict[str, Any] = {name: int(value * 2**20) for name, value in sizes.items() if value is not None}
    limits |= {
        name: value for name, value in {**counts, **work, **together, **times, **waits}.items() if value is not None
    }
    options = {"threads": threads, "page": page, "stop_seconds": stop_seconds, "device": device}
    _serve(bundle, host, port, workers, limits, options, keys, allow_host or [], allow_anyone)


def _serve(
    bundle: Path | None,
    host: str,
    port: int,
    workers: int,
    limits: dict[str, Any],
    options: dict[str, Any],
    keys: Path | None,
    allowed: list[str],
    allow_anyone: bool,
) -> None:
    from pydantic import ValidationError

    from moodfuse.runtime.bundle import read_bundle
    from moodfuse.runtime.hub import find_bundle
    from moodfuse.serve.guard import loopback_names
    from moodfuse.serve.keys import read_keys
    from moodfuse.serve.limits import Limits, Settings
    from moodfuse.serve.server import serve as run

    found = read_bundle(find_bundle(bundle))
    hashes = read_keys(keys) if keys else ()
    own = loopback_names(host)
    hosts = (*own, *(name.lower() for name in allowed)) if own or allowed else ()
    try:
        chosen = Limits(**limits)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"limits: {first['loc'][0]}: {first['msg']}, found {first['input']!r}") from None
    if not own and not hashes and not allow_anyone:
        raise ConfigError(
            f"--host {host} opens the service to the network, where anyone may ask it: give --keys FILE "
            "(--new-key makes a key), or say --allow-anyone"
        )

    def settings(folder: Path) -> Settings:
        return Settings(
            bundle=found.folder.resolve(), folder=folder, limits=chosen, keys=hashes, hosts=hosts, **options
        )

    run(settings, host=host, port=port, workers=workers, notify=lambda line: console.print(line, markup=False))


def _print_key() -> None:
    from moodfuse.serve.keys import new_key

    key, line = new_key()
    print(f"key, for the clients (it is not stored):\n  {key}\nline for the keys file:\n  {line}")
