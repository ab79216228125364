"""The command `serve`: models behind an endpoint in OpenAI's form. It logs no prompt, no text and no key."""

import argparse
import asyncio
import contextlib
import hmac
import ipaddress
import json
import logging
import os
import secrets
import socket
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from galvanic.completions import Choice, CompletionRequest, Refusal, Writing, read_request
from galvanic.errors import UserError
from galvanic.generate import TextModel, load_model
from galvanic.model_file import path_of
from galvanic.request import between_blocks
from galvanic.streams import compile_loop

MOST_TEXTS = 64  # that are written or wait
_DEADLINE_S = 60.0
_MOST_BODY = 2_500_000  # bytes: all prompts that a request may have, in escapes
_LEAST_KEY = 16  # characters
_REQUESTS = 4  # whose texts are written at once; each keeps a core busy, or several if it has many texts
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = structlog.get_logger()


def serve(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Raises UserError: a model, the address or the key can't be used."""
    host, key = options.host, os.environ.get("GALVANIC_API_KEY", "")
    if not (key or _is_loopback(host)):
        remedy = "Put one into the variable GALVANIC_API_KEY."
        raise UserError(f"Other machines may reach {host}, so it needs a key.", remedy)
    if key and len(key) < _LEAST_KEY:
        raise UserError(f"The key has fewer than {_LEAST_KEY} characters.", "Make one: openssl rand -hex 24")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, options.port), family=family)
    except (OSError, OverflowError) as error:
        problem = f"Can't listen on {host}, port {options.port}: {str(error).rstrip('.')}."
        raise UserError(problem, "Name another --host or --port.") from error
    app = Server(_load(options.model), key).app()
    shown = f"[{host}]" if ":" in host else host
    print(f"Serving at http://{shown}:{listening.getsockname()[1]}/v1. Ctrl-C ends it.", flush=True)
    logging.getLogger("aiohttp.server").disabled = True  # it quotes headers that it can't read, and the key is in one
    web.run_app(app, sock=listening, access_log=None, print=None, shutdown_timeout=1, handler_cancellation=True)
    return 0


def _is_loopback(host: str | None) -> bool:
    with contextlib.suppress(ValueError):
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    return False


def _load(names: list[Path]) -> dict[str, TextModel]:
    """Load the models, by their ids. Raises UserError: a file is no model, or two have one name."""
    compile_loop()
    models: dict[str, TextModel] = {}
    for path in map(path_of, names):
        if path.stem in models:
            raise UserError(f"Two models are called {path.stem}.", "Rename a file: its name is the model's id.")
        models[path.stem] = load_model(path)
    return models


def _refusal(error: Exception) -> Refusal:
    """Return what to answer for an error, in OpenAI's form."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, web.HTTPNotFound):
        return Refusal(404, "There is nothing here. Galvanic continues texts: POST /v1/completions.")
    if isinstance(error, web.HTTPException):
        return Refusal(error.status, f"{error.reason}.")
    log.error("request_failed", error=type(error).__name__)  # without its words, which may hold a prompt
    return Refusal(500, "Something went wrong here.")


class Server:
    """Answers requests with its models, which are named after their files."""

    def __init__(self, models: dict[str, TextModel], key: str) -> None:
        self._models, self._key = models, key
        self._started = int(time.time())
        self._threads = ThreadPoolExecutor(_REQUESTS, "completion")
        self._texts = 0  # that are written or wait

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._in_openai_form], client_max_size=_MOST_BODY)
        app.router.add_get("/v1/models", self._list)
        app.router.add_get("/v1/models/{model:.+}", self._describe)
        app.router.add_post("/v1/completions", self._complete)
        return app

    @web.middleware
    async def _in_openai_form(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer errors as OpenAI's API does."""
        try:
            self._check_sender(request)
            return await handler(request)
        except Exception as error:
            refusal = _refusal(error)
        return web.json_response(refusal.body, status=refusal.status)

    def _check_sender(self, request: web.Request) -> None:
        """Refuse a request without the key or, if there is none, one that another site's page may have sent.

        Such a page reaches this machine also by a name of its own, which the request's `Host` shows.
        """
        if self._key:
            sent = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(sent, f"Bearer {self._key}".encode("utf-8", "surrogateescape")):
                raise Refusal(401, "The API key is wrong.", code="invalid_api_key")
            return
        host = None
        with contextlib.suppress(ValueError):
            host = urllib.parse.urlsplit(f"//{request.headers.get('Host', '')}").hostname
        if "Origin" in request.headers or not _is_loopback(host):
            raise Refusal(403, "Without a key, only programs on this machine are served, and no web pages.")

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": list(map(self._entry, self._models))})

    async def _describe(self, request: web.Request) -> web.Response:
        return web.json_response(self._entry(request.match_info["model"]))

    def _entry(self, model: str) -> dict[str, object]:
        self._require(model)
        return {"id": model, "object": "model", "created": self._started, "owned_by": "galvanic"}

    def _require(self, model: str) -> None:
        if model not in self._models:
            raise Refusal(404, "There is no such model; GET /v1/models lists them.", "model", "model_not_found")

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        asked = read_request(await request.read())
        self._require(asked.model)
        texts = len(asked.prompt) * asked.n
        if texts > MOST_TEXTS:
            raise Refusal(400, f"{texts} texts are too many for one request; {MOST_TEXTS} is the most.", "n")
        if self._texts + texts > MOST_TEXTS:
            raise Refusal(429, "Too many texts are being written. Try again in a moment.", code="rate_limit_exceeded")
        completion = Completion(asked, self._models[asked.model])
        self._texts += texts
        work = self._threads.submit(completion.write)
        try:
            return await (completion.stream(request) if asked.stream else completion.answer())
        finally:
            self._texts -= texts
            completion.ended = True
            work.cancel()  # if it waits


class Completion:
    """A request and its texts, which a thread writes. `ended`: nobody waits for them any more."""

    def __init__(self, asked: CompletionRequest, model: TextModel) -> None:
        self._asked, self._model = asked, model
        self.ended = False
        self._until = time.monotonic() + _DEADLINE_S
        kind = {"object": "text_completion", "created": int(time.time()), "model": asked.model}
        self._head = {"id": f"cmpl-{secrets.token_hex(12)}", **kind}
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Choice | Exception | None] = asyncio.Queue()
        numbers = range(len(asked.prompt) * asked.n)
        self._writings = [Writing(asked, model, number, self._until, self._put) for number in numbers]

    def write(self) -> None:
        """Write the texts. Their pieces go into the queue, then an error or None."""
        between_blocks.set(self._check)
        try:
            for result in self._model.generate_batch([writing.request for writing in self._writings]):
                if isinstance(result, UserError):
                    late = time.monotonic() > self._until
                    raise Refusal(503, str(result)) if late else Refusal(400, str(result), "prompt")
            self._put(None)
        except Exception as error:
            self._put(error)

    def _put(self, item: Choice | Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    def _check(self) -> None:
        """End the writing if nobody waits any more, by an error that nobody gets."""
        if self.ended:
            raise ConnectionResetError

    async def _choices(self) -> AsyncIterator[Choice]:
        """Yield the pieces of all texts. Raises the error that ended the writing."""
        while (item := await self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    async def answer(self) -> web.Response:
        choices = sorted([choice async for choice in self._choices()], key=lambda choice: choice["index"])
        return web.json_response(self._body(choices, usage=self._usage()))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send the pieces as they come. An error before the first one is an answer of its own."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        no_usage = {"usage": None} if self._asked.stream_options.get("include_usage") else {}

        async def send(values: object) -> None:
            if not response.prepared:
                await response.prepare(request)
            await response.write(f"data: {json.dumps(values)}\n\n".encode())

        try:
            async with asyncio.timeout(2 * _DEADLINE_S):
                async for choice in self._choices():
                    await send(self._body([choice], **no_usage))
                if no_usage:
                    await send(self._body([], usage=self._usage()))
                await response.write(b"data: [DONE]\n\n")
        except (ConnectionResetError, TimeoutError):  # the client went away, or doesn't read
            if request.transport is not None:
                request.transport.abort()
        except Exception as error:
            if not response.prepared:
                raise
            await send(_refusal(error).body)
        return response

    def _body(self, choices: list[Choice], **usage: Any) -> dict[str, Any]:
        return {**self._head, "choices": choices, **usage}

    def _usage(self) -> dict[str, int]:
        """Return how many symbols were read and written. A prompt counts once, however many texts continue it."""
        read = sum(writing.prompt_tokens for writing in self._writings[:: self._asked.n])
        written = sum(writing.tokens for writing in self._writings)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
