"""The real launcher, with small programs for parts."""

import os
import pty
import signal
import sys
from pathlib import Path

import pytest

from tests.launcher.running import Run, all_up
from tests.processes import PATIENCE_S, wait_until

pytestmark = pytest.mark.process


def test_parts_come_as_they_are_needed_come_back_and_go_in_order(run: Run, tmp_path: Path) -> None:
    sign, trouble = tmp_path / "sign", tmp_path / "trouble"
    trouble.write_text("There is no way out.")
    parts = [
        run.part("base", stage=10, vital=True, ready_file=str(sign)),
        run.part("bot", "slow", stage=30, trouble_file=str(trouble)),
        run.part("victim", stage=40),
    ]
    launcher = run.start(parts)
    wait_until(lambda: run.journal_lines("start"))
    assert "base ... ok" not in run.output
    sign.touch()
    all_up(run)
    assert run.journal_lines("start")[0][0] == "base"

    run.wait_for("bot: There is no way out.")
    trouble.write_text("")
    run.wait_for("bot: this is over")
    assert run.output.count("no way out") == 1

    others, victim = [run.pid(name) for name in ("bot", "base")], run.pid("victim")
    run.kill(victim)
    wait_until(lambda: run.pid("victim") != victim)
    run.wait_for("victim ended unexpectedly (terminated by SIGKILL) and is started again")
    assert str(run.data / "logs" / "victim.log") in run.output
    assert [run.pid(name) for name in ("bot", "base")] == others

    second = run.start(parts)
    assert second.wait(PATIENCE_S) == 2
    assert f"already running on the data folder {run.data} (process {launcher.pid}, all parts are up)" in run.output

    launcher.terminate()
    assert launcher.wait(PATIENCE_S) == 0
    assert "everything is stopped" in run.output
    assert run.living() == []
    stops = [(what, name) for what, name, _ in run.journal_entries() if what != "start"]
    assert stops == [(what, name) for name in ("victim", "bot", "base") for what in ("asked", "end")]

    third = run.start([run.part("base")])  # the lock file is still there, and no obstacle
    run.wait_for("all parts are up", times=3)
    third.terminate()
    assert third.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything(run: Run, number: signal.Signals) -> None:
    launcher = run.start([run.part("one"), run.part("two")])
    all_up(run)
    launcher.send_signal(number)
    assert launcher.wait(PATIENCE_S) == 0
    assert sorted(name for name, _ in run.journal_lines("end")) == ["one", "two"]


def test_a_start_is_given_up_when_a_vital_part_does_not_start_and_others_are_tried_on(run: Run) -> None:
    never = str(run.data / "never")
    parts = [
        run.part("broken", "exit=1", stage=10),
        run.part("redis", "exit=1", stage=10, vital=True, ready_file=never),
    ]
    launcher = run.start(parts)
    assert launcher.wait(PATIENCE_S) == 1
    assert "these are the last words of redis\nredis does not start (exit status 1); its log: " in run.output
    started = [name for name, _ in run.journal_lines("start")]
    assert started.count("redis") == 3
    assert started.count("broken") >= 2
    assert run.living() == []


def test_wrong_settings_stop_everything_with_the_last_words_of_the_part(run: Run) -> None:
    launcher = run.start([run.part("steady"), run.part("bot", "exit=78")])
    assert launcher.wait(PATIENCE_S) == 78
    assert "these are the last words of bot\nbot cannot run with these settings" in run.output
    assert run.living() == []


def test_a_part_that_will_not_stop_is_killed_and_what_it_started_too(run: Run) -> None:
    launcher = run.start(
        [run.part("stubborn", "stubborn", stop_wait_s=1), run.part("parent", "parent", stage=40, stop_wait_s=1)]
    )
    all_up(run)
    assert len(run.living()) == 4  # launcher, both parts, and a child of one
    launcher.terminate()
    assert launcher.wait(PATIENCE_S) == 0
    assert run.output.count("stubborn is killed") == 1
    assert run.living() == []


def test_a_second_signal_does_not_wait_but_spares_redis(run: Run) -> None:
    launcher = run.start(
        [run.part("redis", "slow", stage=10), run.part("train", "stubborn", stage=40, stop_wait_s=600)]
    )
    all_up(run)
    launcher.send_signal(signal.SIGINT)
    run.wait_for("a running training is saved first")
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(PATIENCE_S) == 0
    assert [name for name, _ in run.journal_lines("end")] == ["redis"]
    assert run.living() == []


def test_a_closed_terminal_stops_everything(run: Run) -> None:
    terminal, launchers_side = pty.openpty()
    launcher = run.start([run.part("one")], stdin=launchers_side)
    os.close(launchers_side)
    all_up(run)
    os.close(terminal)
    assert launcher.wait(PATIENCE_S) == 0
    assert [name for name, _ in run.journal_lines("end")] == ["one"]


def test_a_long_log_begins_anew(run: Run) -> None:
    log = run.data / "logs" / "one.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * 5_000_001)
    launcher = run.start([run.part("one")])
    all_up(run)
    wait_until(lambda: log.with_name("one.log.1").exists() and log.stat().st_size == 0)
    launcher.terminate()
    assert launcher.wait(PATIENCE_S) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process of its parent's death")
def test_the_parts_are_killed_with_the_launcher(run: Run) -> None:
    parts = [run.part("base", stage=10), run.part("deaf", "stubborn", stop_wait_s=1)]
    first = run.start(parts)
    all_up(run)
    first.kill()
    first.wait()
    run.wait_for_nothing_left()
    again = run.start(parts)
    run.wait_for("all parts are up", times=2)
    again.terminate()
    assert again.wait(PATIENCE_S) == 0
