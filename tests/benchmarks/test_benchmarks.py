"""The benchmark's own arithmetic, its texts and its results file; nothing here measures a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import report, texts
from benchmarks.__main__ import DOCUMENT, RIVALS, main, with_texts
from benchmarks.keys import MEANS, PARTS, QUICK_PARTS, SUITE, Part, Target, nats_key, ppmd_key, target_of
from benchmarks.measure import alternate, medians, product_flops, repeated, training_flops
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


def test_contestants_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []

    def turn(name: str) -> list[float]:
        order.append(name)
        return [float(len(order))]

    times = alternate({"a": lambda: turn("a"), "b": lambda: turn("b")}, rounds=2, pause_s=0)
    assert order == ["a", "b"] * 3
    assert times == {"a": [3.0, 5.0], "b": [4.0, 6.0]}
    assert medians(times) == {"a": 4.0, "b": 5.0}
    done: list[int] = []
    assert len(repeated(lambda: done.append(1), times=3, untimed=2)()) == 3
    assert len(done) == 5


def test_a_part_run_again_takes_the_place_of_its_former_run() -> None:
    part = Part({"sample.chars_per_s": Target(">=", 4_000), "sample.other": None})
    results = empty()
    other = Record(values={"text.preprocess_mb_per_s.char": 30.0}, raw={"text.megabytes": 0.4})
    report.merge(results, "text", PARTS["text"], other, STAMP, quick=False)
    first = Record(values={"sample.other": 1.0}, raw={"sample.units": 1}, errors={"sample": "it broke"})
    report.merge(results, "sample", part, first, STAMP, quick=False)
    assert results["errors"]["sample"] == "it broke"
    assert "sample.chars_per_s" not in results

    second = Record(values={"sample.chars_per_s": 3_999.0, "sample.other": float("nan")}, raw={"sample.ms": 2.0})
    report.merge(results, "sample", part, second, STAMP, quick=False)
    assert results["sample.chars_per_s"] == 3_999
    assert results["targets"]["sample.chars_per_s"] == {"value": 3_999.0, "target": ">= 4,000", "met": False}
    assert "sample.other" not in results  # what is no number is an error
    assert set(results["errors"]) == {"sample.other", "text.preprocess_mb_per_s.classic"}
    assert results["raw"] == {"text.megabytes": 0.4, "sample.ms": 2.0}
    assert results["text.preprocess_mb_per_s.char"] == 30


def test_quick_keys_are_keys_of_their_own() -> None:
    results = empty()
    record = Record(values={"sample.chars_per_s": 5_000.0}, raw={"sample.ms": 2.0})
    report.merge(results, "sample", Part({"sample.chars_per_s": None}), record, STAMP, quick=True)
    assert results["quick.sample.chars_per_s"] == 5_000
    assert results["targets"]["quick.sample.chars_per_s"]["met"] is True
    assert results["raw"] == {"quick.sample.ms": 2.0}


def test_a_target_may_depend_on_the_processor() -> None:
    part = PARTS["classic"]
    record = Record(values={"classic.step_time_vs_tutorial": 0.7, "classic.float32_step_time_vs_tutorial": 0.7})
    for fast, target in ((True, "<= 0.6"), (False, "<= 0.85")):
        results = {**empty(), "machine": {"fast_bfloat16": fast, "float32_gflops": 200, "bfloat16_gflops": 100}}
        report.merge(results, "classic", part, record, STAMP, quick=False)
        assert results["targets"]["classic.step_time_vs_tutorial"] == {"value": 0.7, "target": target, "met": not fast}
        assert results["targets"]["classic.float32_step_time_vs_tutorial"]["target"] == "<= 0.85"
        assert "(200 GFLOP/s in float32, 100 in bfloat16)" in report.markdown(results, PARTS)


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


def test_each_machine_has_a_table_of_its_own() -> None:
    results = empty()
    for name, cpu in (("sample", "A"), ("bot", "B"), ("generate", "A")):
        results["machine"] = {"cpu": cpu, "cores": 2, "python": "3.13.5", "torch": "not installed"}
        record = Record(values=dict.fromkeys(PARTS[name].keys, 1.0))
        report.merge(results, name, PARTS[name], record, STAMP, quick=False)
    first, second = report.markdown(results, PARTS).split("\n\nB, ")
    assert first.startswith("A, 2 cores; Python 3.13.5; 2026-01-01, commit abc.")
    assert "`sample.chars_per_s`" in first
    assert "`generate.cold_start_s`" in first
    assert "`bot.ready_s`" in second
    assert first.count("| key |") == second.count("| key |") == 1


def test_an_unknown_part_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["nonsense", "--out", str(tmp_path / "results.json")]) == 2
    assert "no part nonsense" in capsys.readouterr().err


@pytest.mark.process
def test_a_part_that_fails_is_told_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_book(tmp_path)
    monkeypatch.setenv("CORPORA_DIR", str(tmp_path))
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


def test_a_text_that_is_missing_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CORPORA_DIR", str(tmp_path))
    (tmp_path / "frankenstein.txt").write_text("no book at all", "utf-8")
    out = str(tmp_path / "results.json")
    assert main(["--out", out, "text"]) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith("error: frankenstein.txt is missing (")
    assert message.endswith(f"put it into {tmp_path} (CORPORA_DIR).")


def test_the_suite_needs_all_its_texts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_book(tmp_path)
    (tmp_path / "dev").mkdir()
    for name in SUITE[2:]:
        (tmp_path / "dev" / f"{name}.txt").write_text(babble(2_000), "utf-8")
    monkeypatch.setenv("CORPORA_DIR", str(tmp_path))
    assert main(["--out", str(tmp_path / "results.json"), "verse"]) == 2
    message = f"Of the suite, play.txt must be put into the folder dev of {tmp_path} (CORPORA_DIR)."
    assert capsys.readouterr().err == f"error: {message}\n"
    assert with_texts(["text", "verse"], PARTS) == ["text"]
    assert capsys.readouterr().err == f"left out: verse. {message}\n"
    (tmp_path / "dev" / "play.txt").write_text(babble(2_000), "utf-8")
    assert with_texts(["text", "verse"], PARTS) == ["text", "verse"]
    assert texts.measure_text("verse") == babble(2_000)


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


def test_babble_has_the_size_that_was_asked_for() -> None:
    chunks = list(texts.babble(["storm", "naïve", "sea,"], 2.5))
    assert sum(len(chunk.encode()) for chunk in chunks) == pytest.approx(2_500_000, abs=2)
    assert len(chunks) > 1
    assert len(set("".join(chunks).split("\n\n"))) > 1_000
    assert chunks[0] != chunks[1]


def test_a_text_is_cut_where_the_measure_wants_it() -> None:
    first, last = texts.parts("x" * 419_335)
    assert (len(first), len(last)) == (377_401, 41_934)


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


@pytest.mark.slow
@pytest.mark.process
def test_snapshots_of_a_training_are_scored(tmp_path: Path) -> None:
    from benchmarks.models import Made, Snapshots, watched
    from benchmarks.parts.quality import first_at_most
    from galvanic.training import train

    text, unseen = babble(3_000), babble(1_000, seed=1)
    made = Made()
    hooks = Snapshots(0.0, made)
    options = TrainOptions(epochs=8, units=32, batch=8, length=32, random_seed=1)
    with watched(made):
        train(text, options, texts.info(text), out=tmp_path / "model", hooks=hooks)
    assert made.plan is not None
    assert made.plan.network.units == (32,)
    assert len(hooks.taken) > 20
    assert [shot.seconds for shot in hooks.taken] == sorted(shot.seconds for shot in hooks.taken)

    ends = hooks.taken[::10] + hooks.taken[-1:]
    assert first_at_most(0.0, ends, tmp_path / "model", unseen) == (None, {len(ends) - 1: pytest.approx(2, abs=1)})
    assert first_at_most(100.0, ends, tmp_path / "model", unseen)[0] is ends[0]
    beginning = first_at_most(0.0, ends[:1], tmp_path / "model", unseen)[1][0]
    end = first_at_most(0.0, ends, tmp_path / "model", unseen)[1][len(ends) - 1]
    found, scores = first_at_most((beginning + end) / 2, ends, tmp_path / "model", unseen)
    assert found is not None
    assert found is not ends[0]
    assert scores[ends.index(found)] <= (beginning + end) / 2


@pytest.mark.process
@pytest.mark.skipif(not RIVALS.is_file(), reason="`make bench` has not installed PyTorch and PPMd")
def test_ppmd_foresees_a_repetition() -> None:
    script = Path(texts.__file__).parent / "rival_ppmd.py"
    text = babble(4_000) * 2
    done = subprocess.run([RIVALS, script, "4000"], input=text.encode(), capture_output=True, check=True)
    sizes = json.loads(done.stdout)
    assert sizes["first"] > 500
    assert sizes["whole"] - sizes["first"] < 0.6 * sizes["first"]


@pytest.mark.process
@pytest.mark.skipif(not RIVALS.is_file(), reason="`make bench` has not installed PyTorch and PPMd")
def test_a_frozen_ppmd_learns_nothing_of_what_it_has_scored() -> None:
    script = Path(texts.__file__).parent / "rival_ppmd.py"
    text = babble(4_000) + "zyx wvu " * 1_000
    done = subprocess.run([RIVALS, script, "4000"], input=text.encode(), capture_output=True, check=True)
    sizes = json.loads(done.stdout)
    assert sizes["frozen"] > 2 * (sizes["whole"] - sizes["first"])


@pytest.mark.process
@pytest.mark.skipif(not RIVALS.is_file(), reason="`make bench` has not installed PyTorch and PPMd")
def test_pytorch_takes_its_turns() -> None:
    shape = {"batch": 4, "length": 8, "vocabulary": 11, "embedding": 5, "units": [16], "threads": 1, "clip": 1.0}
    shape |= {"learning_rate": 1e-3, "weight_decay": 0.01}
    lines = [shape, {"steps": 2, "bfloat16": False}, {"steps": 3, "bfloat16": True}]
    script = Path(texts.__file__).parent / "rival_torch.py"
    asked = "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([RIVALS, script], input=asked, capture_output=True, check=True, text=True)
    plain, bfloat16 = map(json.loads, done.stdout.splitlines())
    assert len(plain["seconds"]) == 2
    assert min(plain["seconds"]) > 0
    assert len(bfloat16.get("seconds", [1, 1, 1])) == 3


@pytest.mark.process
@pytest.mark.skipif(not RIVALS.is_file(), reason="`make bench` has not installed PyTorch and PPMd")
def test_pytorch_learns_with_the_engines_weights_and_dropout(tmp_path: Path) -> None:
    network = NetworkConfig(kind="streams", vocabulary=7, embedding=5, units=(16,))
    random = np.random.default_rng(0)
    weights = {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in network.shapes().items()}
    np.savez(tmp_path / "weights.npz", **weights)  # type: ignore[arg-type]
    for name in ("ids", "heldout"):
        np.save(tmp_path / f"{name}.npy", np.arange(2_000) % 7)
    learns = {name.partition(".")[0]: str(tmp_path / name) for name in ("weights.npz", "ids.npy", "heldout.npy")}
    learns |= {"input_dropout": 0.1, "dropout": 0.1, "recurrent_weight_dropout": 0.1}
    shape = {"batch": 4, "length": 8, "vocabulary": 7, "embedding": 5, "units": [16], "threads": 1, "clip": 1.0}
    shape |= {"learning_rate": 1e-2, "weight_decay": 0.01, "learns": learns}
    turn = {"rates": [0.02] * 60, "offset": 1, "bfloat16": False}
    script = Path(texts.__file__).parent / "rival_torch.py"
    asked = "".join(json.dumps(line) + "\n" for line in (shape, {**turn, "rates": []}, turn))
    done = subprocess.run([RIVALS, script], input=asked, capture_output=True, check=True, text=True)
    before, after = (json.loads(line)["heldout"] for line in done.stdout.splitlines())
    assert before == pytest.approx(np.log(7), abs=0.3)
    assert after < 0.5
