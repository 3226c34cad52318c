"""Draw the house: its rooms as the import rules stack them, what is in each, and the libraries that live there alone.

    python docs/make_house.py            write docs/house.svg
    python docs/make_house.py --check    say whether it is up to date

The floors come from the import-linter contract in pyproject.toml, the rooms within a room from the packages on disk,
the libraries from the imports, and what a room does from the map in CONTRIBUTING.md.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
SOURCE = ROOT / "src" / "moodfuse"
PICTURE = HERE / "house.svg"

WIDTH, LEFT, RIGHT, TOP = 900, 64, 20, 54  # pixels
NAME, LINE, GAP = 58, 18, 10  # pixels: a room's name and what it does; each line below; between rooms
CHARACTER = 6.8  # width of one in pixels, on average
MODULES = "config"  # the room that stands for all single modules below the packages


@dataclass(frozen=True, slots=True)
class Room:
    """A package, or the modules of the ground floor: its name, what it does, what is in it, what only it imports."""

    name: str
    does: str
    inside: tuple[str, ...]
    libraries: tuple[str, ...]

    def notes(self, width: int) -> list[str]:
        """Return the lines about its libraries, for a room so many pixels wide."""
        line = "only here: " + ", ".join(self.libraries) if self.libraries else ""
        return textwrap.wrap(line, int((width - 28) / CHARACTER))


def read_layers() -> list[list[str]]:
    """Return the names of the rooms floor by floor, from the top, as the import contract has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return [[part.strip(" ()").removeprefix("moodfuse.") for part in layer.split(":")] for layer in layers]


def read_map() -> dict[str, str]:
    """Return what each room does, by its name, from the table "The map of the house" in CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## The map of the house")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) +\| (.+?) +\|$", text, re.MULTILINE)
    return {name: does for names, does in rows for name in re.findall(r"`(\w+)`", names)}


def read_libraries() -> dict[str, list[str]]:
    """Return the outside libraries that a single room imports, by that room."""
    importers: dict[str, set[str]] = defaultdict(set)
    for path in SOURCE.rglob("*.py"):
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in names:
                importers[name.partition(".")[0]].add(room)
    own = sys.stdlib_module_names | {"moodfuse", ""}
    alone: dict[str, list[str]] = defaultdict(list)
    for library, rooms in sorted(importers.items()):
        if library not in own and len(rooms) == 1:
            alone[min(rooms)].append(library)
    return alone


def read_floors() -> list[list[Room]]:
    """Return the house, floor by floor from the top. Raises `SystemExit` for a room that the map does not name."""
    does, libraries, floors = read_map(), read_libraries(), []
    for names in read_layers():
        if missing := [name for name in names if name not in does]:
            raise SystemExit(
                f"CONTRIBUTING.md: the map has no row for `{missing[0]}`; add it, then draw the house again"
            )
        packages = [name for name in names if (SOURCE / name / "__init__.py").is_file()]
        rooms = [Room(name, does[name], _inside(name), tuple(libraries.get(name, ()))) for name in packages]
        floors.append(rooms or [Room(", ".join(names), does[MODULES], (), ())])
    return floors


def _inside(name: str) -> tuple[str, ...]:
    return tuple(sorted(path.parent.name for path in (SOURCE / name).glob("*/__init__.py")))


def draw_house() -> str:
    """Return the picture as an SVG file's content, legible on light and on dark."""
    floors = read_floors()
    parts = [_text(LEFT, 32, "moodfuse: each room may import what stands below it, and nothing above", "title")]
    y = TOP
    for rooms in floors:
        width = (WIDTH - LEFT - RIGHT - GAP * (len(rooms) - 1)) // len(rooms)
        height = NAME + LINE * max(len(room.notes(width)) for room in rooms)
        for i, room in enumerate(rooms):
            parts += _draw_room(room, LEFT + i * (width + GAP), y, width, height)
        y += height + GAP
    parts.append(f'<path d="M32 {TOP + 8} V{y - GAP - 12}" class="line" marker-end="url(#head)"/>')
    parts.append(f'<text transform="translate(22 {(TOP + y) // 2}) rotate(-90)" class="note middle">imports</text>')
    return _SVG.format(width=WIDTH, height=y + 8, body="\n".join(parts))


def _draw_room(room: Room, x: int, y: int, width: int, height: int) -> list[str]:
    kind = "torch" if "torch" in room.libraries else "room"
    parts = [f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" class="{kind}"/>']
    parts.append(_text(x + 14, y + 24, room.name, "name"))
    parts.append(_text(x + 14, y + 45, room.does, "label"))
    parts += [_text(x + 14, y + 64 + LINE * i, line, "note") for i, line in enumerate(room.notes(width))]
    right = x + width - 12
    for name in reversed(room.inside):
        wide = round(len(name) * CHARACTER) + 18
        right -= wide
        parts.append(f'<rect x="{right}" y="{y + 9}" width="{wide}" height="22" rx="4" class="inside"/>')
        parts.append(_text(right + 9, y + 24, name, "label"))
        right -= 8
    return parts


def _text(x: int, y: int, text: str, kind: str) -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(text)}</text>'


_SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" \
aria-label="the rooms of moodfuse, floor by floor">
<style>
text {{ font: 12px ui-sans-serif, system-ui, sans-serif; fill: #1c2733 }}
.title {{ font-size: 16px; font-weight: 600 }} .name {{ font-size: 14px; font-weight: 600 }}
.note {{ fill: #52616f }} .middle {{ text-anchor: middle }}
rect {{ stroke: #8da2b8 }} .paper {{ fill: #ffffff; stroke: none }}
.room {{ fill: #f4f7fa }} .torch {{ fill: #fdeedb }} .inside {{ fill: #ffffff }}
.line {{ stroke: #52616f; fill: none }} .tip {{ fill: #52616f }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3 }} .note {{ fill: #a3b1c0 }} rect {{ stroke: #4b5d71 }} .paper {{ fill: #0d1117 }}
.room {{ fill: #161d26 }} .torch {{ fill: #3a2b14 }} .inside {{ fill: #0d1117 }}
.line {{ stroke: #a3b1c0 }} .tip {{ fill: #a3b1c0 }}
}}
</style>
<defs><marker id="head" markerWidth="8" markerHeight="8" refX="5" refY="3" orient="auto">
<path d="M0 0 L6 3 L0 6 z" class="tip"/></marker></defs>
<rect width="{width}" height="{height}" class="paper"/>
{body}
</svg>
"""


def main(arguments: list[str]) -> int:
    """Write the picture, or with `--check` return 1 where it is not what would be written."""
    drawn = draw_house()
    if "--check" in arguments:
        same = PICTURE.is_file() and PICTURE.read_text("utf-8") == drawn
        print("docs/house.svg is up to date" if same else "docs/house.svg is stale: run python docs/make_house.py")
        return 0 if same else 1
    PICTURE.write_text(drawn, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
