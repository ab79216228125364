"""The parts of the benchmark, with the keys that they measure and their targets."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

SUITE = ("frankenstein", "play", "verse", "fables", "chat", "short-story")
"""The texts for measures of quality: the book, and files in the folder `dev` of `CORPORA_DIR`."""
MEANS = "suite-means"
QUICK = "quick."
"""Prefix of the keys of a quick run, whose trainings are shorter."""

_HOLDS: dict[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le, "<": operator.lt}


@dataclass(frozen=True)
class Target:
    """A target for a value, such as `<= 10`. `fast`: the number on processors with fast bfloat16 products."""

    sign: Literal[">=", "<=", "<"]
    number: float
    fast: float | None = None

    def on(self, machine: Mapping[str, Any]) -> Target:
        """Return the target on a machine, by the results' block about it."""
        return Target(self.sign, self.fast if self.fast is not None and machine.get("fast_bfloat16") else self.number)

    def met(self, value: float) -> bool:
        """Return whether a value reaches the target."""
        return _HOLDS[self.sign](value, self.number)

    def __str__(self) -> str:
        return f"{self.sign} {self.number:,g}"


@dataclass(frozen=True)
class Part:
    """A part of the benchmark, run as one process.

    Attributes:
        keys: those that it measures, each with its target; None: for information.
        timeout_s: seconds after which it is killed.
        texts: the texts that it needs; "words": the book and Debian's word list.
    """

    keys: dict[str, Target | None]
    timeout_s: float = 900.0
    texts: Literal["book", "suite", "words", ""] = "book"


def nats_key(text: str) -> str:
    """Return the key of the loss on a text of the suite after 15 minutes from scratch."""
    return f"quality.{text.replace('-', '_')}_nats"


def default_key(text: str) -> str:
    """Return the key of the loss on such a text after a training without options."""
    return f"quality.{text.replace('-', '_')}_default_nats"


def ppmd_key(text: str, kind: Literal["adaptive", "frozen"]) -> str:
    """Return the key of PPMd's loss on such a text, among the raw values."""
    return f"quality.{text.replace('-', '_')}_ppmd_{kind}_nats"


def _least(number: float) -> Target:
    return Target(">=", number)


def _most(number: float, fast: float | None = None) -> Target:
    return Target("<=", number, fast)


def _voice(name: str, non_words: float) -> Part:
    """Return a part that judges a model's texts. `name`: in its keys. `non_words`: target for words that don't
    exist."""
    return Part(
        {
            f"reading.{name}non_words_2min": _most(non_words),
            f"reading.{name}distinct_fours_2min": _least(0.9),
            f"reading.{name}broken_ends": _most(0),
            f"quality.{name}copied_share": _most(0.02),
        },
        1_200,
        "words",
    )


_SETTINGS = (*(f"temperature_{tenths:02d}" for tenths in (2, 5, 8, 10, 12)), "top_p", "min_p")
_COUNTED = ("known_words", "distinct_words", "copied")

# In the order of their run: short parts first, long trainings last.
PARTS: dict[str, Part] = {
    "sample": Part(
        {
            "sample.chars_per_s": _least(4_000),
            "sample.speedup_vs_tutorial": _least(300),
            "sample.batch64_throughput_vs_batch1": _least(4),
        }
    ),
    "generate": Part({"generate.cold_start_s": _most(10), "generate.warm_300_chars_ms": _most(80)}),
    "bot": Part(
        {
            "bot.generate_p50_ms": _most(150),
            "bot.generate_p95_ms": _most(400),
            "bot.generate_own_p50_ms": None,
            "bot.burst200_p95_s": _most(5),
            "bot.burst200_lost": _most(0),
            "bot.burst200_doubled": _most(0),
            "bot.ready_s": _most(3),
            "bot.rss_mb": _most(150),
            "bot.loop_pause_ms": _most(50),
            "bot.loop_pause_control_ms": None,
            "bot.card_edit_interval_s": None,
        }
    ),
    "speaking": Part({"bot.speaking_p95_over_quiet": _most(1.2), "bot.speaking_growth_mb": _most(10)}, 1_800),
    "train": Part(
        {
            "train.chars_per_s": None,
            "train.chars_per_s_vs_best_pytorch": _least(1.05),
            "train.fraction_of_best_gemm": _least(0.6),
        }
    ),
    "first-sample": Part({"train.first_sample_s": _most(5)}),
    "race": Part({"train.seconds_to_1_35_nats_vs_pytorch": _most(0.95)}),
    "classic": Part(
        {
            "classic.step_time_vs_tutorial": _most(0.85, fast=0.6),
            "classic.float32_step_time_vs_tutorial": _most(0.85),
        }
    ),
    "text": Part({"text.preprocess_mb_per_s.char": _least(20), "text.preprocess_mb_per_s.classic": _least(3)}),
    "clean": Part({"history.clean_mb_per_s": _least(5)}, texts=""),
    "read": Part({"read.export_100mb_s": _most(30), "read.export_peak_mb": _most(300)}, texts=""),
    "history": Part(
        {"history.cpu_s_100k": _most(60), "history.rss_growth_mb": _most(100), "history.loop_pause_ms": _most(50)},
        texts="",
    ),
    "memory": Part({"memory.train_100mb_rss_over_small_mb": _most(400)}, 1_200),
    "ppmd": Part({"quality.ppmd_nats": None}),
    "two-nats": Part({"quality.two_nats_over_tutorial_epoch": _most(0.1)}),
    "frankenstein-2min": Part({"quality.frankenstein_nats_2min": _most(1.25, fast=1.2)}),
    "voice": _voice("", 0.04),
    "word-2min": Part({"quality.word_nats_2min": None}),
    "short-story-starter": Part({"quality.short_story_starter_nats_2min": _most(1.2)}, texts="suite"),
    "settings": Part(
        {
            "recipes.book_nats": None,
            **{f"recipes.{setting}_{counted}": None for setting in _SETTINGS for counted in _COUNTED},
        }
    ),
    "short-text": Part({"recipes.short_alone_nats": None, "recipes.short_after_the_book_nats": None}),
    "frankenstein": Part({nats_key("frankenstein"): _most(1.18, fast=1.15)}, 1_800),
    **{text: Part({nats_key(text): None}, 1_800, "suite") for text in SUITE[1:]},
    "default-frankenstein": Part({default_key("frankenstein"): None}, 1_200),
    **{f"default-{text}": Part({default_key(text): None}, 1_200, "suite") for text in SUITE[1:]},
    "frankenstein-starter": Part(
        {
            "quality.frankenstein_starter_nats_2min": _most(1.06),
            "quality.frankenstein_starter_nats_15min": None,
            "quality.frankenstein_starter_15min_over_2min": Target("<", 1),
        },
        2_400,
    ),
    "voice-starter": _voice("starter_", 0.015),
    # From the results of the parts above, in this run or an earlier one.
    MEANS: Part(
        {
            "quality.suite_mean_nats": None,
            "quality.suite_mean_default_nats": None,
            "quality.suite_mean_over_ppmd_frozen": _most(-0.03),
            "quality.suite_behind_ppmd_frozen": _most(0),
            "quality.suite_mean_over_ppmd": _most(0),
            "quality.suite_behind_ppmd": _most(0),
        },
        texts="suite",
    ),
}

QUICK_PARTS: dict[str, Part] = {
    "sample": PARTS["sample"],
    "generate": PARTS["generate"],
    "bot": PARTS["bot"],
    "train": PARTS["train"],
    "first-sample": PARTS["first-sample"],
    "classic": PARTS["classic"],
    "text": PARTS["text"],
    "clean": PARTS["clean"],
    "read": PARTS["read"],
    "history": PARTS["history"],
    "memory": Part({"memory.train_10mb_rss_over_small_mb": None}),
    "ppmd": PARTS["ppmd"],
    "frankenstein-30s": Part({"quality.frankenstein_nats_30s": None}),
}

GROUPS = {
    "quality": (
        "ppmd",
        "two-nats",
        "frankenstein-2min",
        "frankenstein",
        "frankenstein-starter",
        "voice",
        "voice-starter",
        "word-2min",
        "frankenstein-30s",
    ),
    "suite": ("ppmd", *SUITE, *(f"default-{text}" for text in SUITE), MEANS),
}


def target_of(key: str) -> Target | None:
    """Return the target of a key; a key of a quick run has the target of the same key of the full run."""
    for part in (*PARTS.values(), *QUICK_PARTS.values()):
        if key.removeprefix(QUICK) in part.keys:
            return part.keys[key.removeprefix(QUICK)]
    return None
