"""Draw the way from a table to a better bundle on synthetic posts: python docs/make_decide.py docs (needs playwright)

The commands that docs/decide.md names are run; of the pages that they make there are pictures, trend.png and
review.png, and of what `adapt` prints adapt.svg.
"""

import contextlib
import csv
import subprocess
import sys
import tempfile
import threading
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import uvicorn
from make_picture import main as draw_terminal
from PIL import Image
from playwright.sync_api import sync_playwright

from moodfuse.data.formats.readers import read_posts
from moodfuse.data.synthetic import Signals, write_synthetic
from moodfuse.runtime.predictor import Predictor
from moodfuse.serve.review import create_review_app
from moodfuse.serve.server import listen
from moodfuse.workflows.reviewing import ReviewOptions, open_review

POSTS, DAYS, LABELLED = 480, 85, 101
SEE = ("moodfuse predict posts.csv -o answers.csv", "moodfuse summary answers.csv --by month,brand -o page.html")
TEACH = "moodfuse adapt answers.csv -o my-model"
BROWSER = "/usr/bin/chromium"


def main(out: Path) -> None:
    out = out.resolve()
    with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary):
        true = write_posts()
        for command in SEE:
            subprocess.run(command, shell=True, check=True)
        draw(Path("page.html").resolve().as_uri(), out / "trend.png", 1180)
        answers = Path("answers.csv")
        with open_review(answers, ReviewOptions("ann")) as opened, listen(0) as listening:
            for post in opened.review.posts[:LABELLED]:
                opened.review.label(post.row, true[post.answered.post.id])
            app = create_review_app(opened.review, Predictor.load(), "key")
            server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            address = f"http://127.0.0.1:{listening.getsockname()[1]}/#key=key"
            draw(address, out / "review.png", 900, "#rv-reasons .mf-heat canvas")
            server.should_exit = True
            thread.join()
            for post in opened.review.posts[LABELLED:]:
                opened.review.label(post.row, true[post.answered.post.id])
        draw_terminal(out / "adapt.svg", [TEACH])


def write_posts() -> dict[str, str]:
    """Write posts.csv with a brand and a date, the negative posts rather late; return the label of each post."""
    write_synthetic(Path("posts"), posts=POSTS, unlabelled=0, signals=Signals(0.8, 0.9, missing=0.0), seed=5)
    luck, true = np.random.default_rng(0), dict[str, str]()
    with Path("posts.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "image", "date", "brand"])
        for post in read_posts("posts"):
            true[post.id] = str(post.label)
            late = luck.beta(*((3, 1) if post.label == "negative" else (1, 1)))
            day = date(2026, 1, 5) + timedelta(days=int(late * DAYS))
            text, image = str(post.text).strip(), f"posts/data/{post.id}.jpg"
            writer.writerow([post.id, text, image, day, luck.choice(["Alder", "Birch"])])
    return true


def draw(address: str, out: Path, height: int, wanted: str = "body") -> None:
    """Write a picture of the top of a page, once what is `wanted` is there."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": height})
        page.goto(address)
        page.wait_for_selector(wanted, timeout=60_000)
        page.wait_for_timeout(500)
        page.screenshot(path=out)
        browser.close()
    with Image.open(out) as drawn:
        drawn.convert("RGB").quantize(128).save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
