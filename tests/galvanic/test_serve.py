"""`galvanic serve`: the real server in a process of its own, asked by the `openai` package and by raw requests."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from galvanic.cli import main
from galvanic.generate import load_model
from galvanic.model_file import STARTER_FILE
from tests.processes import as_from_a_terminal, wait_until

pytestmark = pytest.mark.process

MODELS = Path(__file__).parents[1] / "fixtures" / "models"
CLASSIC = str(MODELS / "classic")
Output = pytest.CaptureFixture[str]
KEY = "0123456789abcdef"


class Running:
    """A server on a free port."""

    def __init__(self, folder: Path, *arguments: str | Path, key: str = "") -> None:
        self.log = folder / "log"
        command = [sys.executable, "-m", "galvanic", "serve", *map(str, arguments), "--port", "0"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "GALVANIC_API_KEY": key},
                preexec_fn=as_from_a_terminal,
            )
        wait_until(lambda: "Ctrl-C" in self.log.read_text() or self.process.poll() is not None, 120)
        self.port = int(self.log.read_text().rpartition("/v1. Ctrl-C")[0].rpartition(":")[2])

    def client(self, key: str = "none") -> openai.OpenAI:
        return openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key=key, max_retries=0)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    server = Running(tmp_path_factory.mktemp("serve"), "starter", MODELS / "word-table.safetensors", MODELS / "classic")
    yield server
    if server.process.poll() is None:
        server.end()


def complete(server: Running, **options: Any) -> Any:
    return server.client().completions.create(**{"model": "starter", "prompt": "It was", "max_tokens": 150, **options})


def test_models_are_listed_and_unknown_ones_refused(server: Running) -> None:
    assert [model.id for model in server.client().models.list()] == ["starter", "word-table", "classic"]
    assert server.client().models.retrieve("classic").id == "classic"
    with pytest.raises(openai.NotFoundError, match="no such model"):
        server.client().models.retrieve("nosuch")
    with pytest.raises(openai.NotFoundError, match="no such model"):
        complete(server, model="gpt-4")


@pytest.mark.parametrize("model", ["starter", "word-table", "classic"])
@pytest.mark.parametrize("seed", ["The boat", "The boats "])
def test_it_writes_what_generate_writes(
    server: Running, model: str, seed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("galvanic.model_file.STARTER_FILE", STARTER_FILE)  # the server has it, too
    path = STARTER_FILE if model == "starter" else MODELS / f"{model}.safetensors"
    written = load_model(path).generate(seed, 100, random_seed=7)
    choice = complete(server, model=model, prompt=seed, seed=7).choices[0]
    assert choice.text.startswith(written.text)
    assert choice.finish_reason == "length"
    hot = load_model(path).generate(seed, 100, random_seed=8, temperature=1.5, top_p=0.9)
    hot_choices = complete(server, model=model, prompt=seed, seed=7, n=2, temperature=1.5, top_p=0.9).choices
    assert [choice.index for choice in hot_choices] == [0, 1]
    assert hot_choices[1].text.startswith(hot.text)  # the next text has the next seed


def test_tokens_are_symbols(server: Running) -> None:
    answer = complete(server, prompt=["It was", "She"], n=2, seed=1)
    assert [len(choice.text) for choice in answer.choices] == [150] * 4
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (9, 600)
    assert complete(server, prompt="She", seed=1).choices[0].text == answer.choices[2].text
    words = complete(server, model="word-table", prompt="The boats ", seed=0, max_tokens=20, logprobs=0).choices[0]
    places = zip(words.logprobs.tokens, words.logprobs.text_offset, strict=True)
    assert len(words.logprobs.tokens) == 20
    assert all(f"The boats {words.text}"[place:].startswith(token) for token, place in places)


@pytest.mark.parametrize("model", ["starter", "word-table"])
def test_a_stream_has_the_same_text_and_probabilities(server: Running, model: str) -> None:
    options = {"model": model, "seed": 3, "logprobs": 3, "stop": ["zzz", "qqqqqq"]}
    entire = complete(server, **options, stream_options={"include_usage": None})
    *events, last = complete(server, **options, stream=True, stream_options={"include_usage": True})
    pieces = [event.choices[0] for event in events]
    assert len(pieces) > 2
    assert "".join(piece.text for piece in pieces) == entire.choices[0].text
    for field in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
        streamed = [value for piece in pieces for value in getattr(piece.logprobs, field)]
        assert streamed == getattr(entire.choices[0].logprobs, field)
    assert [piece.finish_reason for piece in pieces] == [None] * (len(pieces) - 1) + ["length"]
    assert (last.choices, last.usage) == ([], entire.usage)


def test_probabilities_are_those_that_the_model_reads(server: Running) -> None:
    model = load_model(STARTER_FILE)
    choice = complete(server, seed=5, logprobs=5).choices[0]
    read = model.predictor.read(model.vocabulary.encode("It was" + choice.text))[len("It was") :]
    np.testing.assert_allclose(choice.logprobs.token_logprobs, read, rtol=1e-6)
    for token, chance, likeliest in zip(
        choice.logprobs.tokens, choice.logprobs.token_logprobs, choice.logprobs.top_logprobs, strict=True
    ):
        assert likeliest[token] == chance
        assert len(likeliest) in (5, 6)
        assert sorted(likeliest.values(), reverse=True)[:5] == list(likeliest.values())[:5]
    assert choice.logprobs.text_offset == list(range(6, 156))


@pytest.mark.parametrize("stream", [False, True])
def test_stop_ends_a_text_before_it(server: Running, stream: bool) -> None:
    text = complete(server, seed=7).choices[0].text
    stop = text[60:68]  # in two chunks
    answer = complete(server, seed=7, stop=["never", stop], stream=stream, logprobs=0)
    choices = [event.choices[0] for event in answer] if stream else answer.choices
    assert "".join(choice.text for choice in choices) == text[: text.index(stop)]
    assert sum(len(choice.logprobs.tokens) for choice in choices) == text.index(stop)
    assert choices[-1].finish_reason == "stop"


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"max_tokens": 2_001}, "max_tokens"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": "字"}, "prompt"),
        ({"n": 9}, "n"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"logprobs": 6}, "logprobs"),
        ({"best_of": 2}, "best_of"),
        ({"echo": True}, "echo"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"logit_bias": {"50": 1}}, "logit_bias"),
        ({"suffix": "end"}, "suffix"),
        ({"extra_body": {"top_k": 3}}, "top_k"),
        ({"prompt": ["It"] * 20, "n": 4}, "n"),
    ],
)
def test_what_it_cannot_do_is_refused(server: Running, options: dict[str, Any], param: str) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as refused:
            complete(server, **options, stream=stream)
        assert isinstance(refused.value.body, dict)
        assert refused.value.body["param"] == param


def test_what_changes_nothing_is_taken(server: Running) -> None:
    plain = complete(server, seed=1).choices[0].text
    neutral: dict[str, Any] = {
        "best_of": 1,
        "echo": False,
        "presence_penalty": 0,
        "suffix": None,
        "logit_bias": {},
        "user": "me",
    }
    assert complete(server, seed=1, top_p=1, **neutral).choices[0].text == plain


def test_requests_are_small_json_from_this_machine(server: Running) -> None:
    right = {"Content_Type": "application/json"}
    body = json.dumps({"model": "starter", "prompt": "It", "max_tokens": 5}).encode()
    assert server.ask("POST", "/v1/completions", body, **right)[0] == 200
    for status, asked, headers in (
        (400, b"[" * 10_000, right),
        (400, b"[]", right),
        (413, body + b" " * 3_000_000, right),
        (403, body, {**right, "Host": f"rebound.example:{server.port}"}),
        (403, body, {**right, "Origin": "https://site.example"}),
        (403, body, {**right, "Origin": "null"}),
    ):
        answered, answer = server.ask("POST", "/v1/completions", asked, **headers)
        assert (answered, set(answer["error"])) == (status, {"message", "type", "param", "code"})
    assert server.ask("POST", "/v1/chat/completions", body, **right)[0] == 404
    assert server.ask("DELETE", "/v1/models")[0] == 405


def test_many_at_once_get_their_own_texts(server: Running) -> None:
    alone = [complete(server, seed=seed).choices[0].text for seed in range(12)]
    with ThreadPoolExecutor(12) as threads:
        together = threads.map(lambda seed: complete(server, seed=seed).choices[0].text, range(12))
        assert list(together) == alone


def test_too_many_texts_wait_and_a_client_that_leaves_makes_room(server: Running) -> None:
    stream = complete(server, prompt=["It was"] * 8, n=8, max_tokens=2_000, logprobs=5, stream=True)
    next(stream)
    with pytest.raises(openai.RateLimitError):
        complete(server)
    stream.close()
    wait_until(lambda: not _error(server), 30)


def test_a_client_that_leaves_while_its_prompt_is_read_keeps_nobody_waiting(server: Running) -> None:
    body = json.dumps({"model": "starter", "prompt": ["It was " * 1_000] * 8, "n": 8}).encode()
    for _ in range(4):
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        time.sleep(0.2)  # until a thread reads the prompts, which takes long
        connection.close()
    wait_until(lambda: not _error(server), 20)


def _error(server: Running) -> str:
    """Return the name of the error that a client gets, or nothing."""
    try:
        server.client().completions.create(model="starter", prompt="It was", timeout=30)
    except openai.OpenAIError as error:
        return type(error).__name__
    return ""


def test_a_key_is_asked_for_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    server = Running(tmp_path, "starter", "--host", "0.0.0.0", key=KEY)
    try:
        client = server.client(KEY)
        assert client.models.list().data
        for wrong in ("wrong", KEY[:-1], f"{KEY}0"):
            with pytest.raises(openai.AuthenticationError):
                server.client(wrong).models.list()
        assert server.ask("GET", "/v1/models")[0] == 401
        with socket.create_connection(("127.0.0.1", server.port)) as sender:
            sender.sendall(f"GET /v1/models HTTP/1.1\r\nAuthorization: Bearer {KEY}\0\r\n\r\n".encode())
            assert b" 400 " in sender.recv(100)
        prompt = "A very secret prompt"
        stream = client.completions.create(model="starter", prompt=prompt, n=8, max_tokens=2_000, stream=True)
        first = next(stream)
    finally:
        assert server.end() == 0
    log = server.log.read_text()
    assert KEY not in log
    assert prompt not in log
    assert first.choices[0].text.strip() not in log


@pytest.mark.parametrize(
    ("arguments", "key", "problem"),
    [
        ([CLASSIC, "--host", "0.0.0.0"], "", "needs a key"),
        ([CLASSIC, "--host", "0.0.0.0"], "short", "fewer than 16"),
        (["nothing-here"], "", "no model"),
        ([CLASSIC, CLASSIC], "", "Two models"),
        ([CLASSIC, "--port", "{port}"], "", "port {port}"),
    ],
)
def test_it_does_not_start(
    server: Running, arguments: list[str], key: str, problem: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("GALVANIC_API_KEY", key)
    typed = [argument.format(port=server.port) for argument in arguments]
    assert main(["serve", "--port", "0", *typed], plugins=[]) == 2
    assert problem.format(port=server.port) in capsys.readouterr().err
