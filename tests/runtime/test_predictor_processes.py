"""A predictor in other processes: forked, pickled, in workers of joblib and PyTorch. Each in time, or it hangs."""

import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from PIL import Image

from moodfuse.errors import BundleError
from moodfuse.runtime.bundle import default_bundle
from moodfuse.runtime.predictor import Predictor

SCRIPT = """
import os, sys, multiprocessing, threading
import joblib
import moodfuse, moodfuse.runtime.graphs
from moodfuse.runtime.predictor import Predictor
from concurrent.futures import ThreadPoolExecutor

def answer(number):
    found = model.predict("what a day", "photo.png")
    return found.label, round(found.confidence, 5)

def begin(given):
    global model
    model = given

def forked(work):
    pid = os.fork()
    if pid == 0:
        work()
        sys.exit(7)
    return pid

def status(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

class Answers:
    def __init__(self, model):
        self.model = model
    def __len__(self):
        return 4
    def __getitem__(self, number):
        return self.model.predict("what a day", "photo.png").label

def main():
{body}

if __name__ == "__main__":
    moodfuse.runtime.graphs._WIDE = {wide}
    model = Predictor.load(threads=2)
    expected = answer(0)
    main()
"""
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def run(folder: Path, body: str, wide: int = 200_000_000) -> str:
    """Run a script that has a model with an answer already, and return what it prints.

    Fails where that takes longer than a minute, and for anything on stderr.
    """
    Image.new("RGB", (40, 30), (250, 210, 40)).save(folder / "photo.png")
    script = SCRIPT.replace("{body}", textwrap.indent(textwrap.dedent(body), "    ")).replace("{wide}", str(wide))
    (folder / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("method", [pytest.param("fork", marks=needs_fork), "spawn"])
def test_a_pool_answers_as_its_parent(tmp_path: Path, method: str) -> None:
    body = f"""
    with multiprocessing.get_context("{method}").Pool(2, initializer=begin, initargs=(model,)) as pool:
        print(pool.map(answer, range(4)) == [expected] * 4)
    """
    assert run(tmp_path, body) == "True\n"


@needs_fork
@pytest.mark.parametrize("work", ["print(answer(0) == expected, flush=True)", "print('unused', flush=True)"])
def test_a_forked_child_answers_and_ends_whatever_runs_in_its_parent(tmp_path: Path, work: str) -> None:
    """As `gunicorn --preload` does. Threads of ONNX Runtime's own, which wide graphs have, are the hard case."""
    body = f"""
    busy = threading.Thread(target=lambda: [answer(i) for i in range(30)])
    busy.start()
    print(status(forked(lambda: {work})))
    busy.join()
    print(answer(0) == expected)
    """
    printed = "unused" if "unused" in work else "True"
    assert run(tmp_path, body, wide=1) == f"{printed}\n7\nTrue\n"


@needs_fork
def test_threads_of_a_child_open_the_model_once(tmp_path: Path) -> None:
    body = """
    def work():
        with ThreadPoolExecutor(4) as pool:
            found = set(pool.map(lambda i: (answer(i) == expected, id(model._text)), range(8)))
        print(len(found), flush=True)
    print(status(forked(work)))
    """
    assert run(tmp_path, body) == "1\n7\n"


@needs_fork
def test_a_stream_that_is_under_way_ends_in_a_child_with_an_error(tmp_path: Path) -> None:
    body = """
    answers = model.stream((moodfuse.Post(str(i), "fine") for i in range(9)), window=2)
    next(answers)
    def work():
        try:
            list(answers)
        except moodfuse.MoodfuseError as error:
            print(error, flush=True)
    print(status(forked(work)), len(list(answers)))
    """
    error = "a stream of predictions cannot go on in a forked process; begin it there"
    assert run(tmp_path, body) == f"{error}\n7 8\n"


def test_workers_of_joblib_and_of_a_data_loader(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    body = """
    from torch.utils.data import DataLoader
    work = joblib.delayed(model.predict)
    answers = joblib.Parallel(n_jobs=2)(work("what a day", "photo.png") for _ in range(4))
    print([(one.label, round(one.confidence, 5)) for one in answers] == [expected] * 4)
    loader = DataLoader(Answers(model), batch_size=2, num_workers=2, timeout=40)
    print([label for batch in loader for label in batch] == [expected[0]] * 4)
    """
    assert run(tmp_path, body) == "True\nTrue\n"


def copy_of(content: bytes) -> Predictor:
    copy = pickle.loads(content)  # noqa: S301 (pickled here)
    assert isinstance(copy, Predictor)
    return copy


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return shutil.copytree(default_bundle(), tmp_path / "bundle")


def test_a_copy_answers_the_same_wherever_it_works(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle.parent)
    model = Predictor.load("bundle", threads=1)
    content = pickle.dumps(model)
    assert len(content) < 100_000  # the bundle is named, not copied
    monkeypatch.chdir("/")
    assert copy_of(content).predict("what a day") == model.predict("what a day")


def test_a_copy_whose_bundle_is_gone_or_another_says_so_when_it_is_asked(bundle: Path, text_run: Path) -> None:
    """Not while it is unpickled: a worker of `multiprocessing` would die of that, and its pool wait for ever."""
    content = pickle.dumps(Predictor.load(bundle, threads=1))
    shutil.rmtree(bundle)
    gone = copy_of(content)
    with pytest.raises(BundleError, match="no bundle here"):
        gone.predict("what a day")
    shutil.copytree(text_run / "bundle", bundle)
    with pytest.raises(BundleError, match="another model"):
        gone.predict("what a day")
    shutil.rmtree(bundle)
    shutil.copytree(default_bundle(), bundle)
    assert gone.predict("what a day").label == Predictor.load(threads=1).predict("what a day").label
