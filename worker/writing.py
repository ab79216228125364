"""The work of generate, compare, surprise, picture and quiz jobs, within the server's blocklist."""

import contextlib
import functools
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from galvanic.emoji import EMOJI
from galvanic.errors import UserError
from galvanic.facts import facts_of
from galvanic.model_file import describe
from galvanic.request import WriteRequest
from galvanic.results import Generation
from galvanic.text.edges import is_whole, speech
from shared.blocklist import Blocklist
from shared.events import Compared, ComparedText, Generated, Pictured, Quizzed, Surprised
from shared.jobs import LOSS_FILE, SURPRISE_FILE, CompareJob, GenerateJob, PictureJob, QuizJob, SurpriseJob, Variant
from worker.jobs import JobContext

REDRAWS = 3  # further tries when a text has a hit of the server's blocklist; then it is masked
_STRIDE = 0x9E3779B1
_SEEDS = 2**32
_T = TypeVar("_T")
_blocklist = functools.lru_cache(64)(Blocklist)


def generate(job: GenerateJob, context: JobContext) -> Generated:
    blocklist = _blocklist(job.blocked)
    own_start = not (job.from_corpus or job.from_line)

    def write(random_seed: int) -> Generation:
        asked = WriteRequest(**job.model_dump(include=set(WriteRequest.model_fields)), until=context.until)
        several = job.candidates if own_start and not job.mix else 1
        seeds = ((random_seed + number) % _SEEDS for number in range(several))
        requests = [asked.model_copy(update={"random_seed": seed}) for seed in seeds]
        if job.mix:
            return context.models.write_mixed(job.place.guild_id, job.mix, requests[0])
        written = context.models.write_all(job.place.guild_id, job.model_id, requests)
        return replace(_chosen(job, context, written, blocklist), random_seed=random_seed)

    def redraw(written: Generation) -> bool:
        chance = written.temperature > 0 or not own_start
        return chance and _covered(blocklist, written, job.shown, seed_too=not own_start)

    written = _draw(job.random_seed, write, redraw)
    seed, text = _mask(blocklist, written.seed, written.text, job.shown)
    return Generated(
        seed=seed,
        text=text,
        temperature=written.temperature,
        min_p=written.min_p,
        random_seed=written.random_seed,
        notes=tuple(map(blocklist.mask, written.notes)),
        masked=(seed, text) != (written.seed, written.text),
        seconds=written.seconds,
    )


def _chosen(
    job: GenerateJob, context: JobContext, written: Sequence[Generation | UserError], blocklist: Blocklist
) -> Generation:
    """Return the candidate that the seed tells most of, or the first if there is no time to compare.

    One without a letter or digit, or a line of the seed again, comes last; before it one with a hit of the blocklist,
    and before that one that breaks off. Raises UserError: there is none.
    """
    texts = [text for text in written if not isinstance(text, UserError)]
    if not texts:
        raise next(error for error in written if isinstance(error, UserError))
    texts = [_shown_part(job, text) for text in texts]
    if len(texts) == 1:
        return texts[0]
    from galvanic.related import related

    relations = [0.0] * len(texts)
    with contextlib.suppress(UserError):
        plain = [text.text for text in texts]
        relations = context.models.use(
            job.place.guild_id, job.model_id, lambda model: related(model, job.seed, plain, context.until)
        )
    lines_of_seed = {part.strip() for line in job.seed.split("\n") for part in (line, line.partition(": ")[2])}

    def worth(number: int) -> tuple[bool, bool, bool, float]:
        text = texts[number].text.strip()
        says_something = text not in lines_of_seed and any(map(str.isalnum, text))
        is_clean = not _covered(blocklist, texts[number], job.shown)
        return is_clean, says_something, is_whole(text, job.length), relations[number]

    return texts[max(range(len(texts)), key=worth)]


def _shown_part(job: GenerateJob, written: Generation) -> Generation:
    """Return the part of a text that is shown: one line where names stand before lines; of an answer, one speaker's
    words, with the random line that it may begin with."""
    if job.one_line:
        return replace(written, text=written.text.partition("\n")[0])
    if job.shown != 0:
        return written
    seed, text = ("", written.seed + written.text) if job.from_line else (written.seed, written.text)
    return replace(written, seed=seed, text=speech(text) or text)


def compare(job: CompareJob, context: JobContext) -> Compared:
    """Write a text for each variant, all with the same random numbers; what one cannot do costs no other its text.

    Raises UserError when none of them could be written.
    """
    started = time.monotonic()
    blocklist = _blocklist(job.blocked)

    def write(random_seed: int) -> list[Generation | UserError]:
        """Write all variants, those of each model in one pass."""
        asked = WriteRequest(
            seed=job.seed, length=job.length, random_seed=random_seed, stop=job.stop, until=context.until
        )
        outcomes: dict[Variant, Generation | UserError] = {}
        for model_id in {variant.model_id for variant in job.variants}:
            own = [variant for variant in job.variants if variant.model_id == model_id]
            requests = [asked.model_copy(update={"temperature": variant.temperature}) for variant in own]
            outcomes |= zip(own, context.models.write_all(job.place.guild_id, model_id, requests), strict=True)
        return [outcomes[variant] for variant in job.variants]

    def redraw(drawn: list[Generation | UserError]) -> bool:
        texts = [text for text in drawn if not isinstance(text, UserError)]
        return any(text.temperature > 0 and _covered(blocklist, text, None) for text in texts)

    outcomes = _draw(job.random_seed, write, redraw)
    written = [text for text in outcomes if not isinstance(text, UserError)]
    if not written:
        raise next(error for error in outcomes if isinstance(error, UserError))
    texts = tuple(
        _compared(variant, outcome, written[0].temperature, blocklist)
        for variant, outcome in zip(job.variants, outcomes, strict=True)
    )
    seed = blocklist.mask(job.seed)
    return Compared(
        seed=seed,
        texts=texts,
        random_seed=written[0].random_seed,
        notes=tuple(dict.fromkeys(blocklist.mask(note) for text in written for note in text.notes)),
        masked=seed != job.seed or any(_covered(blocklist, text, None) for text in written),
        seconds=time.monotonic() - started,
    )


def _compared(variant: Variant, outcome: Generation | UserError, others: float, blocklist: Blocklist) -> ComparedText:
    """Describe one text of a comparison. `others`: another text's temperature, for one that could not be written."""
    if isinstance(outcome, UserError):
        temperature = others if variant.temperature is None else variant.temperature
        problem = blocklist.mask(f"{outcome.problem} {outcome.remedy}".strip())
        return ComparedText(model_name=variant.name, temperature=temperature, text="", problem=problem)
    _, text = _mask(blocklist, outcome.seed, outcome.text, None)
    return ComparedText(model_name=variant.name, temperature=outcome.temperature, text=text)


def _draw(pinned: int | None, write: Callable[[int], _T], redraw: Callable[[_T], bool]) -> _T:
    """Write with the pinned random seed, or with the first whose text needs no drawing again.

    Each try has a seed of its own, so that pinning the reported one gives the text that was shown.
    """
    if pinned is not None:
        return write(pinned)
    first = secrets.randbelow(_SEEDS)
    drawn = write(first)
    for attempt in range(1, REDRAWS + 1):
        if not redraw(drawn):
            break
        drawn = write((first + attempt * _STRIDE) % _SEEDS)
    return drawn


def _covered(blocklist: Blocklist, written: Generation, shown: int | None, *, seed_too: bool = False) -> bool:
    """Return whether some of the text must be masked; with `seed_too`, or of its seed, which was drawn as well."""
    seed, text = _mask(blocklist, written.seed, written.text, shown)
    return text != written.text or (seed_too and seed != written.seed)


def _mask(blocklist: Blocklist, seed: str, text: str, shown: int | None) -> tuple[str, str]:
    """Return seed and text with masked hits, however they are shown: joined, joined from within the seed, or apart."""
    covered = blocklist.mask(seed + text)
    if shown is not None and shown < len(seed):
        hidden = len(seed) - shown
        covered = covered[:hidden] + blocklist.mask(covered[hidden:])
    return blocklist.mask(covered[: len(seed)]), blocklist.mask(covered[len(seed) :])


_MOST_NAMED = 5
_POSTED_WITHIN_S = 7_200  # a picture is posted within an hour, or never
_matplotlib_lock = threading.Lock()  # matplotlib is not made for several threads at once


def surprise(job: SurpriseJob, context: JobContext) -> Surprised:
    """Draw how expected each character is to a model, without custom emoji. UserError: it can't read it, or is gone."""
    from galvanic.pictures import surprise_map

    started = time.monotonic()
    text = EMOJI.sub("", job.text)
    score = context.models.use(job.place.guild_id, job.model.model_id, lambda model: model.score(text, context.until))
    context.job_events.attach(SURPRISE_FILE, surprise_map(text, score.nats), _POSTED_WITHIN_S)
    ranked = sorted(zip(text, score.nats, strict=True), key=lambda pair: -pair[1])
    return Surprised(
        nats_per_char=score.nats_per_char,
        chars=score.chars,
        most=tuple(ranked[:_MOST_NAMED]),
        notes=score.notes,
        seconds=time.monotonic() - started,
    )


def picture(job: PictureJob, context: JobContext) -> Pictured:
    """Draw a model's loss curve. Raises UserError: the model is gone, or its file is damaged."""
    from galvanic.pictures import loss_chart

    with context.models.store.reading(job.model.model_id) as path:
        description = describe(path)
    with _matplotlib_lock:
        chart = loss_chart(description.training.curve, job.model.name)
    context.job_events.attach(LOSS_FILE, chart, _POSTED_WITHIN_S)
    return Pictured(facts=facts_of(description))


def quiz(job: QuizJob, context: JobContext) -> Quizzed:
    """Find passages for a quiz. Raises UserError as `galvanic.passages.pick_passages`, or when the model is gone."""
    from galvanic.passages import pick_passages

    blocked, written = _blocklist(job.blocked).hits, job.passages - 1
    real, others = context.models.use(
        job.place.guild_id,
        job.model.model_id,
        lambda model: pick_passages(model, written, blocked, context.until),
    )
    place = secrets.randbelow(job.passages)
    return Quizzed(passages=(*others[:place], real, *others[place:]), real=place)
