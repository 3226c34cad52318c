"""An OpenAI-compatible chat endpoint: asked politely, again where it fails, with a key that nobody else gets to see."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from moodfuse.errors import ConfigError, MoodfuseError, in_a_line
from moodfuse.version import __version__
from moodfuse.workflows.comparison.judge_prompt import Messages

KEY = "MOODFUSE_JUDGE_KEY"  # environment variable: the key, if the endpoint wants one
_PATH = "/chat/completions"
_MAX_BYTES = 2**20  # of an answer
_LONGEST_WAIT = 300.0  # seconds; who asks for more is asked again another day
#: Settings that some models refuse; each is left out once the endpoint names it in an error.
_WISHES: dict[str, Any] = {"temperature": 0, "max_tokens": 1_000}
_REFUSALS = {"content_filter", "content_policy_violation"}  # codes of errors
_NOT_THIS_REQUEST = {400, 413, 415, 422}


class JudgeError(MoodfuseError):
    """The endpoint cannot be asked: a wrong key or address, or no answer however often it is asked."""


class NoAnswerError(JudgeError):
    """Every attempt at one request failed."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What an endpoint answered: a text, or `refused`, or `rejected` with its reason; tokens; seconds."""

    text: str = ""
    refused: bool = False
    rejected: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Attempts:
    """How long an answer may take, how often a request is tried, and the first wait between tries, in seconds."""

    seconds: float = 120.0
    tries: int = 6
    wait: float = 1.0


ATTEMPTS = Attempts()


def chat_address(url: str) -> str:
    """Return where chats are posted to: a base address ending in /v1 is completed. Raises `ConfigError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"--judge: expected the address of an endpoint, such as https://HOST/v1, found {url!r}")
    if parts.username or parts.password or parts.query or parts.fragment:  # these would stand in files and reports
        raise ConfigError(f"--judge: expected an address without a name, password or query; a key belongs into {KEY}")
    return url.rstrip("/") if url.rstrip("/").endswith(_PATH) else url.rstrip("/") + _PATH


class Endpoint:
    """Chats with one model, `rate` requests a minute at most. Thread-safe; `taken` counts what it did not reject."""

    def __init__(self, address: str, model: str, key: str, rate: float, attempts: Attempts = ATTEMPTS) -> None:
        self._address, self._model, self._key = address, model, key
        self._between, self._patience = 60 / rate, attempts
        self._opener = urllib.request.build_opener(_NoRedirects)  # they would take the key along
        self._lock = threading.Lock()
        self._turn = 0.0  # when, by the monotonic clock, the next request may go out
        self._wishes = dict(_WISHES)
        self._stopped = threading.Event()
        self.taken = 0

    def stop(self) -> None:
        """End all waiting, and send no further request."""
        self._stopped.set()

    def complete(self, messages: Messages) -> Completion:
        """Return the answer to a chat. Raises `JudgeError`, and `NoAnswerError` after the last attempt."""
        reason, wait = "", self._patience.wait
        for _ in range(self._patience.tries):
            self._take_turn()
            began = time.monotonic()
            try:
                status, headers, content = self._post(messages)
            except (OSError, http.client.HTTPException) as error:
                reason, pause = self._shown(in_a_line(getattr(error, "reason", error))), wait
            else:
                found = self._read(status, content, time.monotonic() - began)
                if isinstance(found, Completion):
                    self.taken += not found.rejected
                    return found
                if not found:
                    continue
                reason, pause = found, self._asked_to_wait(headers, wait)
            wait *= 2
            with self._lock:
                self._turn = max(self._turn, time.monotonic() + pause)  # for everybody
        raise NoAnswerError(f"{self._address}: no answer in {self._patience.tries} attempts ({reason})")

    def _post(self, messages: Messages) -> tuple[int, Message, bytes]:
        body = json.dumps({"model": self._model, "messages": messages, **self._wishes}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": f"moodfuse/{__version__}"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._address, body, headers)
        try:
            with self._opener.open(request, timeout=self._patience.seconds) as answer:
                return answer.status, answer.headers, answer.read(_MAX_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read(_MAX_BYTES)

    def _read(self, status: int, content: bytes, seconds: float) -> Completion | str:
        """Return an answer, or why there is none yet; nothing where the request is another one from now on.

        Raises `JudgeError` where asking again is no use.
        """
        if status == 200:
            return _completion(content, seconds) or "status 200, but no chat completion"
        error = _error_in(content)
        if status in (401, 403):
            raise JudgeError(f"{self._address}: the key in {KEY} is not taken (status {status}): set the right one")
        if status in (404, 405) or 300 <= status < 400:
            raise JudgeError(
                f"{self._address}: no such endpoint or model there (status {status}); check --judge and --judge-model"
            )
        if status in _NOT_THIS_REQUEST:
            if self._gives_up_wish(error.get("param")):
                return ""
            if error.get("code") in _REFUSALS:
                return Completion(refused=True, seconds=seconds)
            said = self._shown(in_a_line(Exception(error.get("message") or "")))
            return Completion(rejected=f"status {status}: {said}", seconds=seconds)
        code = error.get("code")
        return f"status {status}" + (f", {self._shown(str(code))}" if code else "")

    def _gives_up_wish(self, name: object) -> bool:
        with self._lock:
            return isinstance(name, str) and self._wishes.pop(name, None) is not None

    def _asked_to_wait(self, headers: Message, otherwise: float) -> float:
        """Return the seconds that Retry-After asks for. Raises `JudgeError` for more than a short while."""
        asked = headers.get("Retry-After") or ""
        if asked.isdecimal():
            seconds = float(asked)
        else:
            try:
                seconds = (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds()
            except (ValueError, TypeError):
                return otherwise
        if seconds > _LONGEST_WAIT:
            raise JudgeError(f"{self._address}: asks to wait for {seconds:,.0f} s; the same command goes on then")
        return max(0.0, seconds)

    def _take_turn(self) -> None:
        while True:
            with self._lock:
                now = time.monotonic()
                if now >= self._turn:
                    self._turn = now + self._between
                    break
                left = self._turn - now
            if self._stopped.wait(left):
                break
        if self._stopped.is_set():
            raise JudgeError("asking the judge was stopped")

    def _shown(self, text: str) -> str:
        """Return a line as it may be shown: some servers repeat the key."""
        return text.replace(self._key, "***") if self._key else text


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _completion(content: bytes, seconds: float) -> Completion | None:
    """Return what a chat completion says, `None` for what is none."""
    try:
        found = json.loads(content)
        choice = found["choices"][0]
        message, usage = choice["message"], found.get("usage") or {}
        text = message.get("content") or ""
        if isinstance(text, list):  # parts, of which some are text
            text = " ".join(str(part.get("text") or "") for part in text)
        refused = bool(message.get("refusal")) or choice.get("finish_reason") == "content_filter"
        tokens = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        tokens_in, tokens_out = (None if number is None else int(number) for number in tokens)
        return Completion(str(text), refused, "", tokens_in, tokens_out, seconds)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _error_in(content: bytes) -> Mapping[str, Any]:
    try:
        error = json.loads(content)["error"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {"message": str(error)}
