"""Run commands and draw what the terminal shows: python docs/make_picture.py OUT.svg 'COMMAND' ['COMMAND' ...]"""

import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text


def main(out: Path, commands: list[str]) -> None:
    console = Console(record=True, width=100, file=sys.stderr, highlight=False)
    for command in commands:
        console.print(Text.assemble(("$ ", "green"), (command, "bold")))
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        console.print(Text((done.stderr + done.stdout).rstrip()))
        console.print()
    svg = console.export_svg(title="moodfuse")
    out.write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL), "utf-8")  # fonts from a network


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
