"""The command `serve`: models behind an endpoint in OpenAI's form. Prompts and texts stand in no line of the log."""

import argparse
import asyncio
import contextlib
import hmac
import ipaddress
import json
import os
import secrets
import socket
import threading
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from aiohttp import web
from pydantic import SecretStr

from galvanic.batcher import Batcher
from galvanic.completions import Choice, CompletionRequest, Refusal, Writing, read_request
from galvanic.errors import UserError
from galvanic.generate import TextModel, load_model
from galvanic.model_file import memory, path_of
from galvanic.request import WriteRequest
from galvanic.results import Generation
from galvanic.streams import compile_loop
from galvanic.units import MEGABYTE

MOST_WAITING = 64  # texts that are written or wait
_DEADLINE_S = 60.0
_MOST_BODY = 256_000  # bytes
_LEAST_KEY = 16  # characters
_PASSES = 4  # of a model at once; each keeps a core busy
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = structlog.get_logger()


class Served(NamedTuple):
    """A model, its entry in the list of models, and what gathers the requests for it."""

    model: TextModel
    entry: dict[str, Any]
    batcher: Batcher[WriteRequest, Generation]


def serve(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Raises UserError: a model, the address or the key can't be used."""
    host, key = options.host, _read_key(options.key_file)
    if key is None and not _is_loopback(host):
        remedy = "Put one into GALVANIC_API_KEY or a file (--key-file)."
        raise UserError(f"Other machines may reach {host}, so it needs a key.", remedy)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, options.port), family=family)
    except (OSError, OverflowError) as error:
        raise UserError(f"Can't listen on {host}, port {options.port}: {error}.", "Name another --port.") from error
    app = Server(_load(options.model), key).app()
    url = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/v1"
    print(f"Serving at {url}. Ctrl-C ends it.", flush=True)
    web.run_app(app, sock=listening, access_log=None, print=None, shutdown_timeout=1, handler_cancellation=True)
    return 0


def _read_key(file: Path | None) -> SecretStr | None:
    key = os.environ.get("GALVANIC_API_KEY", "") if file is None else file.read_text("utf-8").strip()
    if not key and file is None:
        return None
    if len(key) < _LEAST_KEY:
        raise UserError(f"The key has fewer than {_LEAST_KEY} characters.", "Make one: openssl rand -hex 24")
    return SecretStr(key)


def _failed(error: BaseException) -> Refusal:
    log.error("request_failed", error=type(error).__name__)  # without its words, which may hold a prompt
    return Refusal(500, "Something went wrong here.")


def _is_loopback(host: str | None) -> bool:
    with contextlib.suppress(ValueError):
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    return False


def _load(names: list[Path]) -> dict[str, Served]:
    """Load the models, by their ids. Raises UserError: a file is no model, or two have one name."""
    compile_loop()
    models: dict[str, Served] = {}
    for path in map(path_of, names):
        if path.stem in models:
            raise UserError(f"Two models are called {path.stem}.", "Rename a file: its name is the model's id.")
        model, created = load_model(path), int(path.stat().st_mtime)
        entry = {"id": path.stem, "object": "model", "created": created, "owned_by": "galvanic"}
        models[path.stem] = Served(model, entry, Batcher(model.generate_batch, min(_PASSES, os.cpu_count() or 1)))
        size = memory(model.description.network) / MEGABYTE
        print(f"{path.stem}: {model.recipe}, {model.description.corpus.title}, {size:,.0f} MB of memory", flush=True)
    return models


class Server:
    """Answers requests with its models."""

    def __init__(self, models: dict[str, Served], key: SecretStr | None) -> None:
        self._models, self._key = models, key
        self._writing = 0  # texts

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._in_openai_form], client_max_size=_MOST_BODY)
        app.router.add_get("/v1/models", self._list)
        app.router.add_get("/v1/models/{id}", self._show)
        app.router.add_post("/v1/completions", self._complete)
        return app

    @web.middleware
    async def _in_openai_form(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer errors as OpenAI's API does."""
        try:
            self._check_sender(request)
            return await handler(request)
        except Refusal as error:
            refusal = error
        except web.HTTPNotFound:
            refusal = Refusal(404, "There is nothing here. Galvanic continues texts: POST /v1/completions.")
        except web.HTTPException as error:
            refusal = Refusal(error.status, f"{error.reason}.")
        except Exception as error:
            refusal = _failed(error)
        headers = {"Retry-After": "1"} if refusal.status == 429 else {}
        return web.json_response(refusal.body, status=refusal.status, headers=headers)

    def _check_sender(self, request: web.Request) -> None:
        """Refuse a request without the key or, if there is none, one that another site's page may have sent.

        Such a page reaches this machine also by a name of its own, which the request's `Host` shows.
        """
        if self._key is not None:
            sent = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(sent, f"Bearer {self._key.get_secret_value()}".encode()):
                raise Refusal(401, "The API key is wrong.", code="invalid_api_key")
            return
        host = None
        with contextlib.suppress(ValueError):
            host = urllib.parse.urlsplit(f"//{request.headers.get('Host', '')}").hostname
        if "Origin" in request.headers or not _is_loopback(host):
            raise Refusal(403, "Without a key, only programs on this machine are served, and no web pages.")

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [served.entry for served in self._models.values()]})

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response(self._find(request.match_info["id"]).entry)

    def _find(self, name: str) -> Served:
        if name not in self._models:
            raise Refusal(404, "There is no such model; GET /v1/models lists them.", "model", "model_not_found")
        return self._models[name]

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            raise Refusal(415, "Send JSON, with the content type application/json.")
        asked = read_request(await request.read())
        served, texts = self._find(asked.model), len(asked.prompt) * asked.n
        if self._writing + texts > MOST_WAITING:
            raise Refusal(429, "Too many texts are being written. Try again in a moment.", code="rate_limit_exceeded")
        self._writing += texts
        try:
            with Completion(asked, served) as completion:
                return await (completion.stream(request) if asked.stream else completion.answer())
        finally:
            self._writing -= texts


class Completion:
    """A request and its texts, which are written while it is entered."""

    def __init__(self, asked: CompletionRequest, served: Served) -> None:
        self._asked, self._served = asked, served
        self._begun, self._until = time.time(), time.monotonic() + _DEADLINE_S
        self._id = f"cmpl-{secrets.token_hex(12)}"
        self._gone = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Choice | BaseException] = asyncio.Queue()
        self._writings = [
            Writing(asked, served.model, number, self._until, self._put, self._gone)
            for number in range(len(asked.prompt) * asked.n)
        ]

    def __enter__(self) -> "Completion":
        for future in self._served.batcher.submit([writing.request for writing in self._writings]):
            future.add_done_callback(self._done)
        return self

    def __exit__(self, *_: object) -> None:
        self._gone.set()
        counts = {"texts": len(self._writings), **self._usage()}
        seconds = round(time.time() - self._begun, 2)
        log.info("completion", id=self._id, model=self._asked.model, seconds=seconds, **counts)

    def _put(self, choice: Choice | BaseException) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._queue.put_nowait, choice)

    def _done(self, future: "Future[Generation]") -> None:
        if error := future.exception():
            self._put(error)

    async def _choices(self) -> AsyncIterator[Choice]:
        """Yield the pieces of all texts until the last one has ended. Raises Refusal if one can't be written."""
        unfinished = len(self._writings)
        while unfinished:
            choice = await self._queue.get()
            if isinstance(choice, UserError):
                late = time.monotonic() > self._until
                raise Refusal(503, str(choice)) if late else Refusal(400, str(choice), "prompt")
            if isinstance(choice, BaseException):
                raise _failed(choice)
            unfinished -= choice["finish_reason"] is not None
            yield choice

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
        except Refusal as refusal:
            if not response.prepared:
                raise
            await send(refusal.body)
        except (ConnectionResetError, TimeoutError):  # the client went away, or doesn't read
            if request.transport is not None:
                request.transport.abort()
        return response

    def _body(self, choices: list[Choice], **usage: Any) -> dict[str, Any]:
        head = {"id": self._id, "object": "text_completion", "created": int(self._begun), "model": self._asked.model}
        return {**head, "choices": choices, **usage}

    def _usage(self) -> dict[str, int]:
        """Return how many symbols were read and written. A prompt counts once, however many texts continue it."""
        read = sum(writing.prompt_tokens for writing in self._writings[:: self._asked.n])
        written = sum(writing.tokens for writing in self._writings)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
