"""A cache model: predict the next symbol of a text that is read from what came in it lately.

A name, a word or a turn of phrase that came once soon comes again, above all in a chat. A network forgets it after some
lines, and a table of n-grams knows only the text that was learned. So each of the last `PLACES` places of the text
votes: if its symbol is the last one that was read, it votes for the symbol that came after it. A vote counts the more,
the more symbols before agree as well, and the less, the longer ago it was. Kuhn & De Mori (1990, "A Cache-Based Natural
Language Model for Speech Recognition") invented such models; in this one, contexts have any length up to `LONGEST`.

Nothing of this is learned or stored. Texts that are written have no such votes: the model would soon repeat itself
(docs/decisions/137-the-text-so-far-votes.md).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from galvanic.compiled import compiled

PLACES = 2048  # last symbols of a text that vote; a power of two
LONGEST = 8  # agreeing symbols beyond which a vote counts no more
BASE = 5.0  # factor of a vote for each agreeing symbol
FADING = 0.998  # factor of a vote for each symbol since
SMOOTHING = 30.0  # votes that all symbols share
NO_RING = -1  # mask of a text that is not a ring

Floats = npt.NDArray[np.float32]
AnyIds = npt.NDArray[Any]


@compiled
def predict(text: AnyIds, first: int, end: int, mask: int, log_probs: Floats) -> None:
    """Write the log probability of each symbol at the place `end` of a text into `log_probs` [symbols].

    `text`: ids, [symbols of the text]; or a ring of the last ones, in which `mask` leads from a place to an index. The
    symbols from `first` on vote.
    """
    share = SMOOTHING / len(log_probs)
    votes = np.full(len(log_probs), share)
    total, fading, oldest = SMOOTHING, 1.0, max(first, end - PLACES)
    for place in range(end - 2, oldest - 1, -1):
        fading *= FADING
        if text[place & mask] != text[(end - 1) & mask]:
            continue
        vote, length = fading * BASE, 1
        while length < LONGEST and place - length >= oldest:
            if text[(place - length) & mask] != text[(end - 1 - length) & mask]:
                break
            vote *= BASE
            length += 1
        votes[text[(place + 1) & mask]] += vote
        total += vote
    without_vote = np.log(share / total)
    for symbol in range(len(log_probs)):
        log_probs[symbol] = without_vote if votes[symbol] == share else np.log(votes[symbol] / total)


@compiled
def predict_places(
    text: AnyIds, first: npt.NDArray[np.int64], places: npt.NDArray[np.int64], log_probs: Floats
) -> None:
    """Write the same for several places of a text into `log_probs` [places, symbols].

    `first`: [places], where the text begins for each of them.
    """
    for row in range(len(places)):
        predict(text, first[row], places[row], NO_RING, log_probs[row])
