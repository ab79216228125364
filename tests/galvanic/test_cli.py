"""The command `galvanic` of a checkout, as a person runs it."""

import fcntl
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from galvanic.cli import main
from galvanic.cli.base import Cli
from shared.settings import get_settings
from tests.worker.hostile import apart
from tests.worker.texts import SENTENCE, Memorised, babble
from worker.cli import register

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


def worker(*arguments: str | Path, data: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, which has TensorFlow loaded already."""
    out, errors = io.StringIO(), io.StringIO()
    command = [str(argument) for argument in arguments]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
        patch.chdir(REPOSITORY)
        for name, value in _own(data).items():
            patch.setenv(name, value)
        get_settings.cache_clear()
        try:
            status = main(command, [register])
        finally:
            get_settings.cache_clear()
    return subprocess.CompletedProcess(command, status, out.getvalue(), errors.getvalue())


def started(*arguments: str | Path, data: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "galvanic", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY, env=_environment(data))


def _own(data: Path) -> dict[str, str]:
    return {"DATA_DIR": str(data), "REDIS_URL": "redis://127.0.0.1:1/0", "MODEL_STORE": ""}


def _environment(data: Path) -> dict[str, str]:
    return {**os.environ, **_own(data)}


def last_line(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "story.txt"
    path.write_bytes(babble(4_500).encode("utf-8-sig"))
    return path


@pytest.mark.process
def test_train_generate_evaluate(text: Path, tmp_path: Path) -> None:
    done = worker("train", text, "--out", tmp_path / "m", "--epochs", "1", "--json", data=tmp_path)
    told = last_line(done)
    assert told["epochs"] == 1
    assert len(told["samples"]) == 3
    assert "--- before training, from letter counts alone ---" in done.stderr
    assert "--- after epoch 1 ---" in done.stderr
    assert not (tmp_path / "m.checkpoint").exists()
    arguments = ("generate", tmp_path / "m", "boat", "--length", "50", "--random-seed", "7", "--json")
    written = last_line(started(*arguments, data=tmp_path))
    assert 0 < len(written["text"]) <= 50
    assert written["random_seed"] == 7
    score = last_line(worker("evaluate", tmp_path / "m", text, "--json", data=tmp_path))
    assert score["nats_per_char"] < score["bits_per_char"]
    assert score["chars"] > 4_000


@pytest.mark.process
def test_ctrl_c_keeps_the_checkpoint_and_the_same_command_goes_on(text: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "galvanic", "train", str(text), "--out", str(tmp_path / "m")]
    process = subprocess.Popen(
        [*command, "--epochs", "400"], stderr=subprocess.PIPE, text=True, cwd=REPOSITORY, env=_environment(tmp_path)
    )
    assert process.stderr is not None
    # Told after the first of its epochs, of which a text as short as this one has a hundred left.
    before = list(itertools.takewhile(lambda line: "--- after epoch 1" not in line, process.stderr))
    assert process.poll() is None, before
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "resumes there" in errors
    assert "Traceback" not in errors
    assert (tmp_path / "m.checkpoint" / "checkpoint.safetensors").exists()
    done = worker("train", text, "--out", tmp_path / "m", "--minutes", "0.001", data=tmp_path)
    assert "Going on from " in done.stderr
    assert re.search(r"^Training: \d+ epochs?, (\d+ min )?\d+ s, stopped by the time limit", done.stdout, re.MULTILINE)
    assert (tmp_path / "m.safetensors").exists()


def test_a_book_is_learned_without_its_licence_by_a_chosen_network_and_gone_on_from(text: Path, tmp_path: Path) -> None:
    book = tmp_path / "pg90001.txt"
    body = text.read_text("utf-8-sig")
    head = "The Project Gutenberg eBook of Boats\n\nTitle: Boats\n\nAuthor: Nobody\n\n"
    marks = "*** START OF THE PROJECT GUTENBERG EBOOK BOATS ***\n{}\n*** END OF THE PROJECT GUTENBERG EBOOK BOATS ***\n"
    book.write_text(head + marks.format(body) + "The licence forbids nothing.\n" * 100, "utf-8")
    left_out = (
        f"Left out: Project Gutenberg's header and licence, {len(book.read_text()) - len(body.strip()):,} characters."
    )
    network = ("--layers", "2", "--units", "12", "--embedding", "8", "--dropout", "0.1")
    chosen = (*network, "--batch", "4096", "--length", "4096", "--lr", "0.01")
    out = tmp_path / "a.safetensors"
    told = last_line(worker("train", book, "--out", out, "--epochs", "1", *chosen, "--json", data=tmp_path))
    assert left_out in told["notes"]
    assert sum("too short" in note for note in told["notes"]) == 1
    assert told["parameters"] < 10_000
    assert told["copy_share"] is not None
    assert {"verdict", "next", "ngrams_loss", "known_words"} <= set(told)
    before = out.read_bytes()
    description = apart(before)[0]
    assert description["corpus"]["title"] == "Boats, by Nobody"
    assert description["network"]["units"] == [12, 12]
    assert description["network"]["embedding"] == 8
    assert (description["options"]["learning_rate"], description["options"]["length"]) == (0.01, 4096)
    assert left_out in last_line(worker("evaluate", out, book, "--json", data=tmp_path))["notes"]

    more = ("train", book, "--out", out, "--from", out, "--epochs", "1", "--json")
    refused = worker(*more, "--force", "--units", "24", data=tmp_path)
    assert (refused.returncode, out.read_bytes()) == (2, before)
    assert "--units 12" in refused.stderr
    refused = worker(*more, data=tmp_path)
    assert (refused.returncode, out.read_bytes()) == (2, before)
    said = f"error: {out} is there already. Give another name, or add --force to replace it.\n"
    assert refused.stderr == said
    told = last_line(worker(*more, "--force", data=tmp_path))
    assert told["epochs_before"] == 1
    assert told["curve"][0][0] == 0
    assert out.read_bytes() != before
    assert {path.name for path in tmp_path.iterdir()} == {"a.safetensors", "pg90001.txt", "story.txt"}


def test_words_are_learned_and_written(text: Path, tmp_path: Path) -> None:
    train = ("train", text, "--recipe", "word", "--units", "16", "--epochs", "1", "--json", "--out")
    told = last_line(worker(*train, tmp_path / "w", data=tmp_path))
    assert told["heldout_loss"] is not None
    options = ("--length", "60", "--random-seed", "3", "--top-k", "20", "--top-p", "0.9", "--min-p", "0.01", "--guard")
    arguments = ("generate", tmp_path / "w", "boat", *options, "--json")
    one, other = (last_line(worker(*arguments, data=tmp_path)) for _ in range(2))
    assert one["text"] == other["text"]
    assert 15 < len(one["text"]) <= 60


def test_export(tmp_path: Path, memorised: Memorised) -> None:
    told = last_line(worker("export", memorised[0], tmp_path / "boat", "--json", data=tmp_path))
    assert told["file"] == str(tmp_path / "boat.safetensors")
    assert told["bytes"] == (tmp_path / "boat.safetensors").stat().st_size
    assert (tmp_path / "boat.safetensors").read_bytes() == memorised[0].read_bytes()
    assert worker("export", memorised[0], tmp_path / "boat", "--force", data=tmp_path).returncode == 0
    assert worker("export", memorised[0], tmp_path / "boat.html", data=tmp_path).returncode == 0
    assert (tmp_path / "boat.html").read_text("utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "x", "--out", "y", "--units", "4"), "argument --units: must be greater than or equal to 8"),
        (("train", "x", "--out", "y", "--lr", "much"), "argument --lr: must be a valid number"),
        (("train", "x", "--out", "y", "--recipe", "letters"), "invalid choice"),
        (("generate",), "MODEL"),
        (("generate", "m", "x", "--stop", "paragraph"), "invalid choice"),
        (("generate", "m", "x", "--top-p", "2"), "argument --top-p: must be less than or equal to 1"),
    ],
)
def test_options_out_of_range_name_themselves(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "{text}", "--out", "{new}", "--recipe", "classic", "--length", "50"), "windows of 100"),
        (("train", "{text}", "--out", "{new}", "--from", "{new}"), "no model"),
        (("train", "{text}", "--out", "{new}", "--from", "{model}", "--recipe", "word"), "recipe `char`"),
        (("generate", "{model}", "the sea", "--from-corpus"), "can't use a seed"),
        (("export", "{text}", "{new}"), "no model"),
        (("train", "{short}", "--out", "{new}"), "too few to learn from"),
        (("train", "{chat}", "--out", "{new}"), "looks like data (JSON)"),
        (("evaluate", "{model}", "{chat}"), "looks like data (JSON)"),
        (("train", "{text}", "--out", "{model}"), "is there already"),
        (("export", "{model}", "{model}"), "add --force to replace it"),
        (("train", "missing.txt", "--out", "{new}"), "no text file"),
        (("train", "", "--out", "{new}"), "no text file ``"),
        (("train", "frankenstien", "--out", "{new}"), "Did you mean `frankenstein`? Give the path"),
        (("train", "no-such-name", "--out", "{new}"), "one of these names: alice, amor-de-perdicao, "),
        (("train", "alice", "--out", "{new}", "--only", "Ada, Ben"), "`--only` is for chats"),
        (("train", "https://example.org/book.txt", "--out", "{new}"), "Download the file, and give its path"),
        (("generate", "{text}", "x"), "no model"),
        (("evaluate", "{model}", "missing.txt"), "no text file"),
    ],
)
def test_bad_input_is_told(
    arguments: tuple[str, ...], message: str, text: Path, tmp_path: Path, memorised: Memorised
) -> None:
    (short := tmp_path / "short.txt").write_text("a" * 199)
    (chat := tmp_path / "chat.txt").write_text('{"author": "ada", "text": "hello"}\n' * 99)
    paths = {"text": text, "model": memorised[0], "new": tmp_path / "new", "short": short, "chat": chat}
    filled = [argument.format(**paths) for argument in arguments]
    done = worker(*filled, data=tmp_path)
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert message in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_place_that_cannot_be_written_is_named_without_a_number(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    assert main(["train", str(text), "--out", str(tmp_path / "file" / "new"), "--epochs", "1"]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith(f"error: {tmp_path / 'file'}")
    assert message.endswith(": Not a directory.")


def test_a_text_that_is_being_trained_or_written_to_is_refused(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / ".new.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["train", str(text), "--out", str(tmp_path / "new"), "--epochs", "1"]) == 2
    assert "Another command is training new.safetensors." in capsys.readouterr().err
    log = str(text.parent / "log")
    assert main(["train", str(text.parent), "--out", str(tmp_path / "new"), "--log-dir", log]) == 2
    assert "The log would be read as a part of the text." in capsys.readouterr().err


@pytest.mark.process
def test_a_process_of_its_own_tells_bad_input_without_a_traceback(text: Path, tmp_path: Path) -> None:
    done = started("generate", text, "x", data=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_an_interrupted_command_leaves_no_traceback() -> None:
    def wait(options: object) -> int:
        raise KeyboardInterrupt

    def register(cli: Cli) -> None:
        cli.add("wait", "Wait.", wait)

    assert main(["wait"], plugins=[register]) == 130


def test_a_terminal_that_lacks_a_character_is_shown_its_number() -> None:
    def say(options: object) -> int:
        print("naïve", flush=True)
        return 0

    def register(cli: Cli) -> None:
        cli.add("say", "Say.", say)

    output = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(output, "ascii")):
        assert main(["say"], plugins=[register]) == 0
        assert output.getvalue() == b"na\\xefve\n"


@pytest.mark.process
def test_doctor_tells_a_machine_that_can_work(tmp_path: Path) -> None:
    environment = _environment(tmp_path) | {"REDIS_URL": ""}
    command = [sys.executable, "-m", "worker", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY, env=environment)
    assert re.search(r"^ok +Python 3.*, tensorflow.* GFLOP/s$", done.stdout, re.MULTILINE)
    assert re.search(r"^ok +REDIS_URL names no Redis, and nothing runs ", done.stdout, re.MULTILINE)
    assert done.stdout.endswith("\nAll good.\n")


@pytest.mark.process
def test_doctor_tells_what_must_be_mended_and_fails(tmp_path: Path) -> None:
    done = worker("doctor", "--json", data=tmp_path / "none")  # its Redis is not there
    assert not (tmp_path / "none").exists(), "it makes nothing"
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, outcome["ok"]) == (1, False)
    (broken,) = [finding["problem"] for finding in outcome["findings"] if finding["level"] == "BROKEN"]
    assert broken.startswith("Redis at ")
    blocked = tmp_path / "file"
    blocked.write_text(SENTENCE)
    done = worker("doctor", data=blocked)
    assert done.returncode == 1
    assert "BROKEN   The data folder" in done.stdout
    assert "BROKEN   The model store" in done.stdout
    assert done.stdout.endswith("3 things to mend; begin with BROKEN.\n")


@pytest.mark.process
def test_devices_are_what_trainings_can_run_on(tmp_path: Path) -> None:
    told = last_line(worker("devices", "--json", data=tmp_path))
    assert told["gpus"] == []
    assert told["cores"] >= 1
    assert worker("devices", data=tmp_path).stdout.startswith("No GPU that TensorFlow can use; ")
