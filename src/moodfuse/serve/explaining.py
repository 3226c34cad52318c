"""Explanations: each costs as much as many predictions, so they have a queue and a limit of their own."""

from __future__ import annotations

from moodfuse.data.posts import Post
from moodfuse.runtime.explain import Explanation, explain_in_slices
from moodfuse.serve.batching import Engine
from moodfuse.serve.problems import Problem


class Explaining:
    """Explains posts one at a time, in slices that let predictions pass; `most` may wait or be worked on."""

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self._most = most
        self._asked = 0

    async def explain(self, post: Post) -> Explanation:
        """Explain one post. Raises `Problem` 429 where too many are asked for."""
        if self._asked >= self._most:
            raise Problem(429, f"{self._most} explanations are being worked on; come again", {"Retry-After": "5"})
        self._asked += 1
        try:
            prepared = await self._engine.prepare(post)
            return await self._engine.run(explain_in_slices(self._engine.predictor, post, prepared))
        finally:
            self._asked -= 1
