"""As many messages of small talk as a test or a benchmark asks for."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice

from playground.places import OldMessage, old_messages


def small_talk(count: int) -> Iterator[OldMessage]:
    """Repeat what was said in #tavern, each time with one other word; the messages end now, a minute apart."""
    random_words, spoken = random.Random(1818), old_messages()
    words = [word for message in spoken for word in message.content.split()]
    begin = datetime.now(UTC) - timedelta(minutes=count)
    for number, message in enumerate(islice(cycle(spoken), count)):
        own_words = message.content.split(" ")
        own_words[random_words.randrange(len(own_words))] = random_words.choice(words)
        yield OldMessage(message.author_id, " ".join(own_words), begin + timedelta(minutes=number))
