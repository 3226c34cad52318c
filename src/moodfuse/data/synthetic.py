"""Posts with a planted signal of known strength, to see what a model can find.

The law, for each post: a label is drawn, each of the three equally often. The text's mood is the label with
probability `text`, else any mood, all alike; the image's mood likewise with `image`. The text speaks of a topic and the
image shows a shape, both numbered 0 to 2; (topic + shape) mod 3 is the label with probability `joint`, else any number.
So 0 is no signal and 1 gives the label away, a signal of strength s is right with probability s + (1 - s) / 3, and the
joint one is in the combination alone: topic and shape, each by itself, say nothing of the label. Text and image of
equal strength are together no better than one of them, for nothing tells which is right where they differ: for posts
on which fusion pays, plant the joint signal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from moodfuse.errors import ConfigError, OutputError
from moodfuse.files import make_folder, write_text
from moodfuse.labels import SENTIMENT

_CLASSES = len(SENTIMENT)

_OPENINGS = """this morning|after lunch|on my way home|late last night|during the break|right before dinner|since monday
|all weekend long|between two meetings|while waiting for the bus|just now|earlier today|at half past nine
|in the middle of the week|once the rain stopped|with my cousin|at the corner shop|before anyone else woke up"""
# Per topic, then per mood: short clauses, two of each in a text, so that few texts are alike.
_TOPICS = (
    "my dog|the puppy next door|our old cat|the neighbour's kitten|a stray dog|her two rabbits|the parrot upstairs"
    "|the dogs in the park|that little hamster|the cat on the sofa",
    "my coffee|the pizza place|grandma's soup|this sandwich|the new bakery|our dinner|a bowl of noodles"
    "|the pancakes|his chocolate cake|the cheese from the market",
    "the football match|our marathon training|the tennis final|my gym session|the swimming race|her bike tour"
    "|the basketball team|the cup game|his new running shoes|the hockey league",
)
_MOODS = (
    "i hate how this turned out|everything about it is terrible|such a sad and awful day|makes me angry and tired"
    "|i am so disappointed|feeling miserable and alone|what a horrible mess|it ruined my whole week"
    "|i could cry, it hurts so much|worst experience ever|utterly disgusting and depressing|so upset and heartbroken",
    "there is a list of the times on the door|it was about the same as usual|more information is on the website"
    "|we were there for forty minutes|the report comes out on thursday|it is listed under number twelve"
    "|the schedule has been posted|they moved the desk to the second floor|part two follows next month"
    "|the form has three pages|the sign is written in two languages|opening hours stay unchanged",
    "i love how this turned out|everything about it is wonderful|such a happy and beautiful day"
    "|makes me smile and laugh|i am so proud and grateful|feeling blessed and loved|what a fantastic surprise"
    "|it made my whole week|i could dance, it feels so good|best experience ever|utterly delightful and amazing"
    "|so excited and full of joy",
)
_ASIDES = """the train was on platform four|somebody left an umbrella|my phone is at ten percent
|it is a tuesday after all|the window was open|we took the stairs|the printer is on the left
|nobody asked about the keys|the queue went around the block|i wore the green jacket
|the radio played an old song|there were nine of us|the lights changed twice|he carried two bags
|they painted the wall|the map was upside down|a bus went by|she was reading the paper"""
_TAGS = "#photo|#today|#street|#monday|#instadaily|#2015|#weekend|#nofilter|#city|#live|#tbt|#now"


@dataclass(frozen=True, slots=True)
class Signals:
    """How strong each planted signal is, 0..1, and which share of posts lacks one modality.

    Raises `ConfigError` for shares out of range.
    """

    #: in the text's mood
    text: float = 0.6
    #: in the image's mood
    image: float = 0.6
    #: in the combination of the text's topic and the image's shape alone
    joint: float = 0.0
    #: share of posts without a text, and that of posts without an image
    missing: float = 0.02

    def __post_init__(self) -> None:
        for name, most in (("text", 1), ("image", 1), ("joint", 1), ("missing", 0.5)):
            if not 0 <= (value := getattr(self, name)) <= most:
                raise ConfigError(f"{name}: expected a share from 0 to {most}, found {value}")


@dataclass(frozen=True, slots=True)
class Plan:
    """What each of N posts is drawn and written from; numbers 0 to 2, (N,) each."""

    label: NDArray[np.int64]
    text_mood: NDArray[np.int64]
    image_mood: NDArray[np.int64]
    topic: NDArray[np.int64]
    shape: NDArray[np.int64]
    has_text: NDArray[np.bool_]
    has_image: NDArray[np.bool_]


def write_synthetic(
    folder: Path, *, posts: int = 600, unlabelled: int = 60, signals: Signals = Signals(), seed: int = 0
) -> Path:
    """Write a guid,tag folder of posts and return it.

    `train.txt` and `test_without_label.txt` hold `guid,tag`; `data/` holds GUID.txt and GUID.jpg. The same arguments
    write the same bytes. Raises `OutputError` for a folder that holds something already.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"{folder}: expected a new or an empty folder for the synthetic posts; name another")
    drawn = plan(posts + unlabelled, signals, seed=seed)
    generator = np.random.default_rng([seed, 1])
    guids = generator.permutation(np.arange(1, 2 * len(drawn.label) + 1))[: len(drawn.label)].tolist()
    data = make_folder(folder / "data")
    for i, guid in enumerate(guids):
        own = np.random.default_rng([seed, 2, i])  # each post's own, so that one more post changes no other
        if drawn.has_text[i]:
            words = compose(int(drawn.text_mood[i]), int(drawn.topic[i]), own)
            (data / f"{guid}.txt").write_text(words + "\n", "utf-8")
        if drawn.has_image[i]:
            picture = draw(int(drawn.image_mood[i]), int(drawn.shape[i]), own)
            picture.save(data / f"{guid}.jpg", quality=int(own.integers(70, 93)))
    tags = [SENTIMENT.names[label] for label in drawn.label[:posts]] + ["null"] * unlabelled
    rows = [f"{guid},{tag}\n" for guid, tag in zip(guids, tags, strict=True)]
    write_text(folder / "train.txt", "guid,tag\n" + "".join(rows[:posts]))
    write_text(folder / "test_without_label.txt", "guid,tag\n" + "".join(rows[posts:]))
    return folder


def plan(count: int, signals: Signals = Signals(), *, seed: int = 0) -> Plan:
    """Draw `count` posts from the law at the top of this module."""
    generator = np.random.default_rng([seed, 0])
    label = generator.permutation(np.arange(count) % _CLASSES)  # (N,) equally often, but for the remainder

    def echo(strength: float) -> NDArray[np.int64]:
        other = generator.integers(0, _CLASSES, count)
        return np.where(generator.random(count) < strength, label, other)

    text_mood, image_mood, combined = echo(signals.text), echo(signals.image), echo(signals.joint)
    topic = generator.integers(0, _CLASSES, count)
    lacking = generator.random(count)
    return Plan(
        label=label,
        text_mood=text_mood,
        image_mood=image_mood,
        topic=topic,
        shape=(combined - topic) % _CLASSES,
        has_text=lacking >= signals.missing,
        has_image=(lacking < signals.missing) | (lacking >= 2 * signals.missing),
    )


def compose(mood: int, topic: int, generator: np.random.Generator) -> str:
    """Write a text of this mood about this topic, with distractors that say nothing of either."""
    opening, asides, tags = (_choices(words) for words in (_OPENINGS, _ASIDES, _TAGS))
    subject, moods = _choices(_TOPICS[topic]), _choices(_MOODS[mood])
    first, second = generator.choice(moods, 2, replace=False)
    clauses = [
        f"{_pick(opening, generator)} with {_pick(subject, generator)}",
        str(first),
        f"{_pick(subject, generator)} again",
        _pick(asides, generator),
        str(second),
    ]
    order = [0, *(generator.permutation(len(clauses) - 1) + 1).tolist()]
    words = _pick([", ", ". ", " and ", " ... ", "; "], generator).join(clauses[i] for i in order)
    if generator.random() < 0.5:
        words += " " + " ".join(generator.choice(tags, 2, replace=False))
    if generator.random() < 0.3:
        words = f"@user{generator.integers(1000)} {words}"
    if generator.random() < 0.3:
        words += f" http://t.co/{generator.integers(10**9):09d}"
    return words


def draw(mood: int, shape: int, generator: np.random.Generator) -> Image.Image:
    """Draw a scene of this mood (0 dark rain and a frown, 1 plain, 2 bright sun and a smile) with this shape in it.

    The shape (0 disc, 1 striped square, 2 star) has any colour and place; specks in the background distract.
    """
    width, height = (int(side) for side in generator.integers(160, 261, 2))
    canvas = _background(mood, width, height, generator)
    pen = ImageDraw.Draw(canvas)
    for _ in range(int(generator.integers(4, 10))):
        _speck(pen, width, height, generator)
    if mood == 0:
        _rain(pen, width, height, generator)
    if mood == 2:
        _sun(pen, width, height, generator)
    face_left = bool(generator.random() < 0.5)
    size = min(width, height)
    if mood != 1:
        _face(pen, _place(width, height, face_left, generator), size * generator.uniform(0.16, 0.22), mood == 2)
    _shape(pen, shape, _place(width, height, not face_left, generator), size * generator.uniform(0.17, 0.24), generator)
    return canvas.filter(ImageFilter.GaussianBlur(float(generator.uniform(0, 0.8))))


def _choices(words: str) -> list[str]:
    return [word.strip() for word in words.split("|")]


def _pick(words: Sequence[str], generator: np.random.Generator) -> str:
    return words[int(generator.integers(len(words)))]


def _place(width: int, height: int, left: bool, generator: np.random.Generator) -> tuple[float, float]:
    across = generator.uniform(0.22, 0.3) if left else generator.uniform(0.7, 0.78)
    return across * width, generator.uniform(0.3, 0.72) * height


def _colour(generator: np.random.Generator, low: int, high: int) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in generator.integers(low, high + 1, 3))
    return red, green, blue


def _background(mood: int, width: int, height: int, generator: np.random.Generator) -> Image.Image:
    """Paint coarse random clouds of colour: dark, middling or bright by mood."""
    low, high = ((10, 90), (80, 175), (165, 255))[mood]
    coarse = generator.integers(low, high + 1, (*generator.integers(3, 6, 2), 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def _speck(pen: ImageDraw.ImageDraw, width: int, height: int, generator: np.random.Generator) -> None:
    x, y = generator.uniform(0, width), generator.uniform(0, height)
    across, down = generator.uniform(3, 0.12 * width), generator.uniform(3, 0.12 * height)
    pen.rectangle((x, y, x + across, y + down), fill=_colour(generator, 0, 255))


def _rain(pen: ImageDraw.ImageDraw, width: int, height: int, generator: np.random.Generator) -> None:
    lean = generator.uniform(-6, 6)
    for _ in range(60):
        x, y = generator.uniform(0, width), generator.uniform(0, height)
        pen.line((x, y, x + lean, y + generator.uniform(8, 16)), fill=(120, 140, 190), width=1)


def _sun(pen: ImageDraw.ImageDraw, width: int, height: int, generator: np.random.Generator) -> None:
    x, y, radius = generator.uniform(0.1, 0.9) * width, 0.12 * height, 0.12 * min(width, height)
    for angle in np.arange(0, 2 * np.pi, np.pi / 6):
        pen.line((x, y, x + 2 * radius * np.cos(angle), y + 2 * radius * np.sin(angle)), fill=(255, 190, 0), width=3)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 225, 40))


def _face(pen: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, happy: bool) -> None:
    (x, y), dark = centre, (30, 30, 30)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(245, 205, 80), outline=dark, width=2)
    for side in (-0.4, 0.4):
        eye_x, eye_y, eye = x + side * radius, y - 0.3 * radius, 0.12 * radius
        pen.ellipse((eye_x - eye, eye_y - eye, eye_x + eye, eye_y + eye), fill=dark)
    mouth, drop = 0.55 * radius, (0 if happy else 0.5 * radius)
    start, end = (20, 160) if happy else (200, 340)
    pen.arc((x - mouth, y - mouth + drop, x + mouth, y + mouth + drop), start, end, fill=dark, width=3)


def _shape(
    pen: ImageDraw.ImageDraw, shape: int, centre: tuple[float, float], radius: float, generator: np.random.Generator
) -> None:
    (x, y), fill, box_side = centre, _colour(generator, 30, 225), 0.85 * radius
    if shape == 0:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill, outline="white", width=3)
    elif shape == 1:
        pen.rectangle((x - box_side, y - box_side, x + box_side, y + box_side), fill=fill, outline="white", width=3)
        for stripe in np.linspace(-0.6, 0.6, 4) * box_side:
            pen.line((x - box_side, y + stripe, x + box_side, y + stripe), fill="white", width=4)
    else:
        turn = generator.uniform(0, 2 * np.pi)
        corners = [
            (x + r * radius * np.cos(turn + k * np.pi / 5), y + r * radius * np.sin(turn + k * np.pi / 5))
            for k, r in enumerate([1.15, 0.45] * 5)
        ]
        pen.polygon(corners, fill=fill, outline="white", width=3)
