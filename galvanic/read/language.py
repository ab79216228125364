"""Find out the language of a text."""

import functools
from typing import Any

from galvanic.languages import languages
from galvanic.source import Source, chunks

_SAMPLE = 20_000  # characters from the middle of a text's first part, where no foreword stands
_LEAST_CHARS = 200
_LEAST_CERTAINTY = 0.9  # of py3langid, from 0 to 1


def language_of(body: Source) -> str:
    """Return the code of ISO 639-1 of a text's language. Empty: the text is too short, or it is not certain.

    `body`: the text, or the path of it in UTF-8. Raises UserError: the file can't be read.
    """
    part = next(chunks(body), "")
    start = max(0, (len(part) - _SAMPLE) // 2)
    sample = " ".join(part[start : start + _SAMPLE].split())
    if len(sample) < _LEAST_CHARS:
        return ""
    code, certainty = _identifier().classify(sample)
    return str(code) if code in languages() and certainty >= _LEAST_CERTAINTY else ""


@functools.cache
def _identifier() -> Any:
    """Return py3langid's model, which takes half a second to load and 110 MB of memory."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # Without dialects that the world's large languages would be taken for; "zxx" is what is no language.
    identifier.set_languages(["zxx", *languages()])
    return identifier
