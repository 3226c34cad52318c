import pytest

from moodfuse.data.languages import LATIN, NO_LETTERS, guess_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("This is what they told us about the weather", "english"),
        ("I’m so happy that it’s you", "english"),
        ("el perro y los gatos están muy cansados por la tarde", "spanish"),
        ("não sei o que você tem para mim", "portuguese"),
        ("c'est une belle journée pour nous", "french"),
        ("das ist nicht der Hund von mir", "german"),
        ("il cane non è con me, ma sono contento", "italian"),
        ("ik ben niet op het strand met de hond", "dutch"),
        ("今天的天气真好", "chinese"),
        ("今日はいい天気です", "japanese"),
        ("오늘 날씨가 좋다", "korean"),
        ("сегодня хорошая погода", "cyrillic script"),
        ("الطقس جميل اليوم", "arabic script"),
        ("wow", LATIN),
        ("Paris Berlin Roma", LATIN),
        ("!!! 12 😀", NO_LETTERS),
        ("", NO_LETTERS),
    ],
)
def test_the_guess(text: str, language: str) -> None:
    assert guess_language(text) == language
