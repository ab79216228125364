"""The benchmark's own arithmetic, its texts and its results file; nothing here measures a time."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import report, texts, words
from benchmarks.__main__ import DOCUMENT, RIVALS, main, with_texts
from benchmarks.keys import MEANS, PARTS, QUICK_PARTS, SUITE, Target, nats_key, ppmd_key, target_of
from benchmarks.measure import product_flops, training_flops
from benchmarks.parts import find
from benchmarks.record import Context, Record
from benchmarks.suite import means
from galvanic.options import TrainOptions
from galvanic.plan import NetworkConfig
from tests.worker.texts import babble

STAMP = {"date": "2026-01-01T00:00:00+00:00", "commit": "abc", "load_before": 0.0, "seconds": 1.0}


def empty() -> report.Results:
    return {"machine": {}, "targets": {}, "raw": {}, "errors": {}, "parts": {}}


def write_book(folder: Path) -> None:
    start = "*** START OF THE PROJECT GUTENBERG EBOOK FRANKENSTEIN ***\n\n"
    (folder / "frankenstein.txt").write_text(start + babble(20_000), "utf-8")


def test_targets_hold_at_their_limits() -> None:
    assert Target(">=", 4_000).met(4_000)
    assert not Target(">=", 4_000).met(3_999)
    assert Target("<=", 1.2).met(1.2)
    assert not Target("<=", 1.2).met(1.21)
    assert Target("<", 1).met(0.99)
    assert not Target("<", 1).met(1)
    assert str(Target(">=", 4_000)) == ">= 4,000"
    assert target_of("quick.sample.chars_per_s") == target_of("sample.chars_per_s") == Target(">=", 4_000)


@pytest.mark.slow
@pytest.mark.process  # TensorFlow starts one as it is imported
@pytest.mark.parametrize("part", sorted({*PARTS, *QUICK_PARTS} - {MEANS}))
def test_every_part_has_its_function(part: str) -> None:
    assert callable(find(part))


def test_training_flops_are_counted_by_hand() -> None:
    network = NetworkConfig(kind="streams", vocabulary=83, embedding=64, units=(512, 256))
    by_hand = 2 * (64 * 2048 + 512 * 2048 + 512 * 1024 + 256 * 1024 + 256 * 83)  # multiply and add, one character
    assert training_flops(network, batch=32, length=128) == 3 * 32 * 128 * by_hand
    assert product_flops(2048) == 2 * 2048 * 2048 * 2048


def test_results_survive_the_file_and_another_file_is_refused(tmp_path: Path) -> None:
    results = report.read(tmp_path / "none.json")
    record = Record(values={"generate.cold_start_s": 3.25}, errors={"generate.warm_300_chars_ms": "it broke"})
    report.merge(results, "generate", PARTS["generate"], record, STAMP, quick=False)
    report.write(tmp_path / "results.json", results)
    assert report.read(tmp_path / "results.json") == results
    assert next(iter(json.loads((tmp_path / "results.json").read_text("utf-8")))) == "generate.cold_start_s"

    keys = list(PARTS["generate"].keys)
    assert "generate.cold_start_s         3.25  <= 10   yes" in report.table(results, keys).splitlines()
    assert "| `generate.warm_300_chars_ms` | failed | it broke | NO |" in report.markdown(results, PARTS)

    (tmp_path / "other.json").write_text("[1]", "utf-8")
    with pytest.raises(ValueError, match="move it away"):
        report.read(tmp_path / "other.json")


def test_the_document_has_a_place_for_the_table(tmp_path: Path) -> None:
    copy = tmp_path / "benchmarks.md"
    copy.write_text(DOCUMENT.read_text("utf-8"), "utf-8")
    report.fill(copy, "| a table |")
    report.fill(copy, "| another |")
    text = copy.read_text("utf-8")
    assert "| another |" in text
    assert "| a table |" not in text
    copy.write_text("no place", "utf-8")
    with pytest.raises(ValueError, match="no place"):
        report.fill(copy, "| a table |")


def test_an_unknown_part_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["nonsense", "--out", str(tmp_path / "results.json")]) == 2
    assert "no part nonsense" in capsys.readouterr().err


@pytest.mark.process
def test_a_part_that_fails_is_told_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_book(tmp_path)
    monkeypatch.setenv("CORPORA_DIR", str(tmp_path))
    output = report._output  # how fast the machine multiplies is measured in the GPU's benchmark, too, and takes long
    monkeypatch.setattr(report, "_output", lambda command: "" if "benchmarks.products" in command else output(command))
    out = tmp_path / "results.json"
    # Python without pyppmd: the part cannot work.
    assert main(["--quick", "--out", str(out), "--rivals", sys.executable, "ppmd", "text"]) == 1
    results = report.read(out)
    assert "pyppmd" in results["errors"]["quick.ppmd"]
    assert results["quick.text.preprocess_mb_per_s.char"] > 0
    assert results["quick.text.preprocess_mb_per_s.classic"] > 0
    assert results["raw"]["quick.text.megabytes"] == pytest.approx(0.02, rel=0.01)
    assert results["machine"]["python"] == sys.version.split()[0]
    shown = capfd.readouterr().out
    assert "quick.text.preprocess_mb_per_s.char" in shown
    assert "quick.ppmd" in shown


def test_means_are_those_of_the_whole_suite() -> None:
    results = empty()
    part = {"machine": {"cpu": "A"}}
    results["parts"] = dict.fromkeys(SUITE, part)
    for place, text in enumerate(SUITE):
        results[nats_key(text)] = 1.0 + place / 100
        results["raw"] |= {ppmd_key(text, "frozen"): 1.04, ppmd_key(text, "adaptive"): 1.015}
    found = means(results)
    assert found.values == {
        "quality.suite_mean_nats": pytest.approx(1.025),
        "quality.suite_mean_over_ppmd_frozen": pytest.approx(-0.015),
        "quality.suite_behind_ppmd_frozen": 1,
        "quality.suite_mean_over_ppmd": pytest.approx(0.01),
        "quality.suite_behind_ppmd": 1,
    }
    assert found.raw["quality.suite_over_ppmd.short-story"] == pytest.approx(0.035)
    assert found.errors == {"quality.suite_mean_default_nats": f"not measured yet: {', '.join(SUITE)}"}
    results["parts"]["default-chat"] = {"machine": {"cpu": "B"}}
    assert means(results).errors == {"suite-means": "measured on different processors (A, B)"}


@pytest.mark.slow
@pytest.mark.process
def test_a_text_is_learned_but_for_its_last_tenth(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from benchmarks.parts import quality
    from galvanic.model_file import load

    write_book(tmp_path)
    monkeypatch.setenv("CORPORA_DIR", str(tmp_path))
    options = TrainOptions(epochs=1, units=16, start="none")
    monkeypatch.setitem(quality.TRAININGS, "small", quality.Training("frankenstein", "quality.small", options))
    record = Record()
    find("small")(Context(record, tmp_path, quick=False, rivals=RIVALS))
    description, *_ = load(tmp_path / "quality.small")
    assert description.corpus.chars == len(texts.measure_text()) * 9 // 10
    assert 0 < record.values["quality.small"] < np.log(0x110000)
    assert record.raw["quality.small.began_with"] == "nothing"


def test_words_are_counted_and_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(words, "LIST", tmp_path / "words")
    assert with_texts(["clean"], PARTS) == ["clean"]
    assert words.list_lacking() == (
        f"Debian's word list is missing: install the package wamerican, or put one word a line into {words.LIST}."
    )
    words.LIST.write_text("don't\nmorrow\nto\nTh\nEliza\nsea\n", "utf-8")
    assert words.list_lacking() == ""
    found = words.words("“Don’t, to-morrow—” ELIZA’S 3 _sea_--’tis th Vorn Vorn")
    assert found == ["Don't", "to", "morrow", "ELIZA'S", "sea", "tis", "th", "Vorn", "Vorn"]
    known = words.KnownWords("Vorn and Vorn once")
    assert [word for word in [*found, "Once", "eliza"] if word not in known] == ["tis", "th", "Once", "eliza"]
    assert known.lacks(found) == pytest.approx(2 / 9)
    assert words.distinct_fours([["a", "b", "c", "d", "A", "b", "c", "d"], ["x"]]) == pytest.approx(4 / 5)
