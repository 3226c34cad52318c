"""Draw the page of `moodfuse review` on synthetic posts: python docs/make_review.py OUT.png (needs playwright)"""

import sys
import tempfile
import threading
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from moodfuse.data.formats.readers import read_posts
from moodfuse.data.synthetic import Signals, write_synthetic
from moodfuse.runtime.predictor import Predictor
from moodfuse.serve.review import create_review_app
from moodfuse.serve.server import listen
from moodfuse.workflows.conversion import convert
from moodfuse.workflows.prediction import predict_source
from moodfuse.workflows.reviewing import ReviewOptions, open_review

POSTS, SHARE, LABELLED = 300, 0.2, 101
BROWSER = "/usr/bin/chromium"


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_synthetic(folder / "posts", posts=POSTS, unlabelled=0, signals=Signals(text=0.9, image=0.9), seed=5)
        convert(folder / "posts", folder / "posts.csv")
        true = {post.id: post.label for post in read_posts(folder / "posts.csv")}
        model = Predictor.load()
        predict_source(model, folder / "posts.csv", folder / "answers.csv")
        with open_review(folder / "answers.csv", ReviewOptions("ann", share=SHARE)) as opened, listen(0) as listening:
            for post in opened.review.posts[:LABELLED]:
                opened.review.label(post.row, str(true[post.answered.post.id]))
            app = create_review_app(opened.review, model, "key")
            server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            draw(f"http://127.0.0.1:{listening.getsockname()[1]}/#key=key", out)
            server.should_exit = True
            thread.join()


def draw(address: str, out: Path) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.wait_for_selector("#rv-reasons .mf-heat canvas", timeout=60_000)
        page.wait_for_timeout(500)
        page.screenshot(path=out)
        browser.close()
    with Image.open(out) as drawn:
        drawn.convert("RGB").quantize(128).save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
