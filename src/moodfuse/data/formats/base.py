"""What a format is: a reader that yields rows, and a writer that takes posts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from moodfuse.data.formats.lines import line_ends
from moodfuse.data.posts import ImageRef, Post
from moodfuse.data.table_style import PLAIN_CSV, TableStyle
from moodfuse.data.text import Decoded
from moodfuse.labels import SENTIMENT, Labels
from moodfuse.progress import Notify, mute

#: What of a source is read: its labelled posts, or those to predict where they lie apart.
Part = Literal["train", "predict"]


#: What a column of a source can be for.
Role = Literal["id", "text", "image", "label"]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source is to be read: all that whoever asks for its posts can say.

    `strict` refuses what prediction can live with: labels that are none, empty ids. `columns` says which column has
    which role, before names are looked at. `sheet` is a workbook's, `quotes` what quotation marks of a table are:
    around values ("double"), or characters as any other ("none"). `remote` follows images that are named by an
    address. `fields` asks for the values of all columns, so that they can come back. `notify` is told in lines what
    was taken for what. A source that is not `trusted` comes from a stranger: no error tells what this machine holds
    where its paths lead. `answers` reads what was predicted:
    any columns will do, and no image is looked for.
    """

    format: str | None = None
    part: Part = "train"
    strict: bool = True
    labels: Labels = SENTIMENT
    columns: Mapping[Role, str] = field(default_factory=dict)
    sheet: str | None = None
    quotes: Literal["double", "none"] = "double"
    remote: bool = False
    fields: bool = False
    notify: Notify = mute
    trusted: bool = True
    answers: bool = False


#: How posts with labels are read.
TRAINING = Reading()
#: How posts to be labelled are read: nothing that can be lived with stops them.
PREDICTING = Reading(part="predict", strict=False)


@dataclass(slots=True)  # not frozen: a row of a table is made three times as fast
class Row:
    """A post as its source has it: where it stands, and its label unchecked."""

    where: Path | str
    line: int
    id: str
    text: Decoded | None
    #: All images of the post, in order.
    images: tuple[ImageRef, ...]
    label: str | None
    #: What `line` counts.
    unit: Literal["line", "row"] = "line"
    #: Why the format's own rule leaves this post out of the labelled ones; `None`: it does not.
    dropped: str | None = None
    #: The values of all columns by name, where `Reading.fields` asks for them.
    fields: Mapping[str, Any] | None = None

    @property
    def place(self) -> str:
        """The source with the line or row, for an error message."""
        return f"{self.where} {self.unit} {self.line}"


@dataclass(frozen=True, slots=True)
class Run:
    """Rows of a source that stand together, and where reading them begins: somebody else may read the others."""

    path: Path
    format: str
    #: Rows of `path` before them, and how many they are.
    first: int
    rows: int
    #: Bytes and lines of `path` before them; 0 bytes: reading begins at the beginning, and skips.
    offset: int = 0
    line: int = 0


class Reader(ABC):
    """Reads a format. Rows come in the order of the file, one at a time, none left out.

    A format is a class under `@registry.reader`, in a file of this package or of another one that has an entry point
    in the group `moodfuse.readers`.
    """

    #: What the format is called.
    name: ClassVar[str]
    #: Who is asked first whether a file or folder is of its format: the lowest number; of equals, the first name. Below
    #: 50 the first bytes or a file's name leave no doubt; above it a header is judged by what it might mean.
    priority: ClassVar[int] = 50
    #: What the names of its files end with, lower case: a folder of such files is read as one source (`parts`), and a
    #: text file that no reader recognises is read as its name says.
    suffixes: ClassVar[tuple[str, ...]] = ()
    #: Whether `run_rows` begins where a run begins, so that many workers can share a file; else it reads up to there.
    splits: ClassVar[bool] = False
    #: The only labels that posts of this format can have; `None`: any.
    labels: ClassVar[Labels | None] = None

    @abstractmethod
    def recognises(self, path: Path, header: str | None) -> bool:
        """Say whether this is the format of `path`.

        `header` is the first line, of a binary file its first 4 bytes as Latin-1, `None` for a folder. What is in the
        file decides: its name breaks ties at most.
        """

    @abstractmethod
    def rows(self, path: Path, reading: Reading) -> Iterator[Row]:
        """Yield the rows. Raises `DataError` for what is no row."""

    def files(self, path: Path) -> list[Path]:
        """Return the files that hold the posts, in order, those that posts name left out: in a folder, what of it."""
        return [path]

    def columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        """Return the names of all columns, in order, that come back with the answers; none where there are none."""
        return ()

    def read_columns(self, path: Path, reading: Reading) -> tuple[str, ...]:
        """Return those of `columns` that are read as id, text, image or label."""
        named = {name.strip().lower() for name in (*get_args(Role), *reading.columns.values())}
        return tuple(name for name in self.columns(path, reading) if name.strip().lower() in named)

    def style(self, path: Path, reading: Reading) -> TableStyle:
        """Return how a table of answers to this source is written; where it is no such table itself, as plain CSV."""
        return PLAIN_CSV

    def count(self, path: Path, reading: Reading) -> int:
        """Return about how many rows there are, for a progress bar; 0 where unknown."""
        return max(0, line_ends(path) - 1)

    def runs(self, path: Path, reading: Reading, size: int) -> Iterator[Run]:
        """Yield all rows in runs of `size` at most, in order, in memory that does not grow with them."""
        return self._runs(path, ((0, 0) for _ in self.rows(path, replace(reading, strict=False))), size)

    def run_rows(self, run: Run, reading: Reading) -> Iterator[Row]:
        """Yield the rows of a run: the same that `rows` gives there. What there is to tell, `runs` has told."""
        return islice(self.rows(run.path, replace(reading, notify=mute)), run.first, run.first + run.rows)

    def _runs(self, path: Path, places: Iterator[tuple[int, int]], size: int) -> Iterator[Run]:
        """Yield the runs of rows whose bytes and lines before them are `places`."""
        first = 0
        while held := list(islice(places, size)):
            yield Run(path, self.name, first, len(held), *held[0])
            first += len(held)


#: What a model says of a post: a label, and how sure it is (0..1); `None` where it says nothing.
Answer = Callable[[Post], tuple[str, float] | None]


@dataclass(frozen=True, slots=True)
class Target:
    """What a writer is to write: where, for which part, and whether image bytes go into the file itself.

    `force` writes over a file that exists; a folder that holds something stays as it is. `answer` is for a format that
    keeps what a model says beside what people say.
    """

    path: Path
    part: Part = "train"
    embed: bool = False
    force: bool = False
    #: What a writer has to tell, with how many posts it concerns.
    notes: Counter[str] = field(default_factory=Counter)
    #: The real folder that files of images are copied from, and from nowhere else; `None`: from anywhere.
    home: Path | None = None
    answer: Answer | None = None


class Writer(ABC):
    """Writes a format: whole or not at all, posts in the order that they come, one at a time."""

    #: What the format is called: the name of the reader that reads it back.
    name: ClassVar[str]
    #: What the name of such a file ends with; "": a folder.
    suffixes: ClassVar[tuple[str, ...]]
    #: Whether the file can hold image bytes.
    embeds: ClassVar[bool] = False
    #: Whether a text that is missing comes back as missing, not as empty.
    keeps_missing_text: ClassVar[bool] = True
    #: Whether the file can hold a model's answers beside labels.
    keeps_answers: ClassVar[bool] = False

    @abstractmethod
    def open(self, target: Target) -> AbstractContextManager[Callable[[Post], None]]:
        """Give the function that writes a post; the target takes its place when the block has ended well.

        Raises `OutputError` where that cannot be done, `DataError` for a post that the format cannot hold.
        """
