"""Words to the bot, and words taken from cards."""

from types import SimpleNamespace
from typing import Any

import pytest

from bot.options import decoding
from bot.write.embeds import generated
from shared.events import Generated
from tests.factories import generate_job

BOT = 77


def message(content: str, mentions: tuple[int, ...] = ()) -> Any:
    return SimpleNamespace(content=content, mentions=[SimpleNamespace(id=one) for one in mentions], reference=None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<@77> hello  there", "hello there"),
        ("<@!77>", ""),
        ("what now, <@77>?", "what now, ?"),
        ("<@78> hello", None),
        ("hello", None),
    ],
)
def test_words_to_the_bot(content: str, words: str | None) -> None:
    assert decoding.to_bot(message(content), BOT) == words


def test_a_mention_without_its_words_is_to_the_bot_only_in_a_chat() -> None:
    assert decoding.to_bot(message("hello", (BOT,)), BOT) is None


def test_the_words_of_a_card_are_those_that_were_written() -> None:
    seed, text = "the *sea* [x] <@1>", " was_calm_ ~~and~~ `deep` # 1\n> so\n- far\n1. [a](b)\n+ c"
    answer = Generated(seed=seed, text=text, temperature=0.8, random_seed=7, seconds=0.2)
    embed = generated(generate_job(job_id="b-1"), answer)
    card: Any = SimpleNamespace(content="", embeds=[embed], author=SimpleNamespace(bot=True))
    assert decoding.message_text(card) == seed + text
