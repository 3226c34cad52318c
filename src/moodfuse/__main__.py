"""`python -m moodfuse`: the command line, where `moodfuse` is not on the path."""

from moodfuse.cli.main import main

main()
