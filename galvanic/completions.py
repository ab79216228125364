"""Completions in the form of OpenAI's API: the request, and a text as it is written.

A token is a symbol of the model: with `char`, a character.
"""

import secrets
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from galvanic.generate import TextGenerator
from galvanic.predictor import CHUNK, Pass
from galvanic.request import WriteRequest
from galvanic.sampling import Floats
from galvanic.text import Ids

Choice = dict[str, Any]  # a text, or a piece of one, as the answer has it
_SEEDS = 2**32
# The values that change nothing, of what is not supported and of `top_p`. Some programs always send them.
_NEUTRAL = {
    "best_of": 1,
    "echo": False,
    "frequency_penalty": 0,
    "logit_bias": {},
    "presence_penalty": 0,
    "suffix": "",
    "top_p": 1,
}


class Refusal(Exception):
    """The answer to a request that is not served."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        kind = "invalid_request_error" if status < 500 and status != 429 else "server_error"
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


_listed = BeforeValidator(lambda value: [value] if isinstance(value, str) else value)


class CompletionRequest(BaseModel):
    """The body of a request. What is left out is as with `galvanic generate`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    model: str
    prompt: Annotated[list[Annotated[str, Field(min_length=1, max_length=20_000)]], _listed] = Field(
        min_length=1,
        max_length=20,  # LangChain sends so many at once
    )
    max_tokens: int = Field(300, ge=1, le=2_000)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0.001, le=1)
    seed: int | None = Field(None, ge=0, lt=_SEEDS)
    n: int = Field(1, ge=1, le=8)
    stop: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], _listed] = Field([], max_length=4)
    stream: bool = False
    stream_options: dict[str, bool | None] = {}
    logprobs: int | None = Field(None, ge=0, le=5)
    user: str = ""

    @model_validator(mode="before")
    @classmethod
    def _drop_neutral(cls, values: Any) -> Any:
        """Drop null, which stands for each default, and the values that change nothing."""
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if value not in (None, _NEUTRAL.get(name))}


def read_request(body: bytes) -> CompletionRequest:
    """Read the body of a request. Raises Refusal that names the first field that is not allowed."""
    try:
        return CompletionRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    param = str(first["loc"][0]) if first["loc"] else None
    raise Refusal(400, f"{f'`{param}`: ' if param else ''}{first['msg']}.", param)


class Writing:
    """A text that is being written. `tell` gets its pieces, in the thread that writes; unstreamed, all in one.

    `number`: its place among the request's texts.
    """

    def __init__(
        self, asked: CompletionRequest, model: TextGenerator, number: int, until: float, tell: Callable[[Choice], None]
    ) -> None:
        self.prompt_tokens = self.tokens = 0
        self._asked, self._model, self._number, self._tell = asked, model, number, tell
        self._sent = 0  # characters
        self._reading: Pass | None = None  # reads what is written, for `logprobs`
        seed = secrets.randbelow(_SEEDS) if asked.seed is None else asked.seed
        self.request = WriteRequest(
            seed=asked.prompt[number // asked.n],
            temperature=asked.temperature,
            top_p=asked.top_p,
            random_seed=(seed + number % asked.n) % _SEEDS,
            until=until,
            enough=self._take,
        )

    def _take(self, seed: Ids, ids: Ids, repeated: int) -> bool:
        """Tell what is new of the text, and return whether it is enough."""
        asked, vocabulary, sent = self._asked, self._model.vocabulary, max(self._sent, repeated)
        ids, self.prompt_tokens = ids[: asked.max_tokens], len(seed)
        text, starts = vocabulary.decode(ids), np.cumsum(vocabulary.widths[ids]) - vocabulary.widths[ids]
        stops = [place for stop in asked.stop if (place := text.find(stop, sent)) >= 0]
        finish = "stop" if stops else "length" if len(ids) == asked.max_tokens else None
        if not (finish or asked.stream):
            return False
        held = 0 if finish else max(map(len, asked.stop), default=1) - 1  # they may begin a stop sequence
        end = min(stops, default=max(sent, len(text) - held))
        new = slice(self.tokens, max(self.tokens, int(np.searchsorted(starts, end))))
        self._sent, self.tokens = end, new.stop
        offsets = starts[new] + len(self.request.seed) - repeated
        logprobs = None if asked.logprobs is None else self._logprobs(seed, ids[new], offsets, asked.logprobs)
        self._tell({"index": self._number, "text": text[sent:end], "logprobs": logprobs, "finish_reason": finish})
        return finish is not None

    def _logprobs(self, seed: Ids, ids: Ids, offsets: npt.NDArray[np.int64], most: int) -> dict[str, list[Any]]:
        """Return the log probabilities of symbols and of the likeliest ones in their places, before temperature."""
        predictor, symbols = self._model.predictor, self._model.vocabulary.symbols
        if self._reading is None:
            self._reading = predictor.begin_with(seed)
        chances, likeliest = [], []
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK, None]
            predictions: Floats = np.empty((len(part), 1, predictor.symbols), np.float32)
            self._reading.advance(part, np.zeros(part.shape, np.float32), predictions)
            for number, row in zip(part[:, 0].tolist(), predictions[:, 0], strict=True):
                chances.append(float(row[number]))
                shown = dict.fromkeys([*np.argsort(-row, kind="stable")[:most].tolist(), number])
                likeliest.append({symbols[symbol]: float(row[symbol]) for symbol in shown})
        tokens, places = [symbols[number] for number in ids], offsets.tolist()
        return {"tokens": tokens, "token_logprobs": chances, "top_logprobs": likeliest, "text_offset": places}
