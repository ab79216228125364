"""The real launcher and the real supervisord, with small programs for parts."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launcher.running import PATIENCE_S, Run, all_up, wait_until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_parts_in_order_and_leaves_nothing(run: Run, number: signal.Signals) -> None:
    launcher = run.start(
        [
            run.part("base", stage=10),
            run.part("middle", "slow", stage=20, needs=["base"]),
            run.part("top", "slow", stage=50, needs=["base"]),
        ]
    )
    all_up(run)
    launcher.send_signal(number)
    assert launcher.wait(PATIENCE_S) == 0
    assert run.living() == []
    assert "everything is stopped" in run.output
    stops = [(what, name) for what, name, _ in run.journal_entries() if what != "start"]
    assert stops == [(what, name) for name in ("top", "middle", "base") for what in ("asked", "end")]


def test_a_part_is_started_when_those_it_needs_are_there(run: Run) -> None:
    launcher = run.start([run.part("second", needs=["first"]), run.part("first", stage=10)])
    run.wait_for("all parts are up")
    assert run.output.index("starting first ... ok") < run.output.index("starting second ... ok")
    launcher.terminate()
    assert launcher.wait(PATIENCE_S) == 0


def test_a_crashed_part_is_restarted_and_the_others_go_on(run: Run) -> None:
    launcher = run.start([run.part("steady"), run.part("victim")])
    all_up(run)
    steady, victim = run.pid("steady"), run.pid("victim")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: run.pid("victim") != victim)
    run.wait_for("victim ended unexpectedly (terminated by SIGKILL) and is started again")
    assert str(run.data / "logs" / "victim.log") in run.output
    assert run.pid("steady") == steady
    launcher.terminate()
    assert launcher.wait(PATIENCE_S) == 0
    assert sorted(name for name, _ in run.journal_lines("end")) == ["steady", "victim"]
    assert run.living() == []


def test_a_part_that_always_crashes_is_tried_again_and_again(run: Run) -> None:
    launcher = run.start([run.part("steady"), run.part("broken", "exit=1")])
    wait_until(lambda: len([name for name, _ in run.journal_lines("start") if name == "broken"]) >= 3)
    assert len([name for name, _ in run.journal_lines("start") if name == "steady"]) == 1
    launcher.terminate()
    assert launcher.wait(PATIENCE_S) == 0
    assert run.living() == []


def test_a_start_is_given_up_when_a_vital_part_does_not_start(run: Run) -> None:
    never = str(run.data / "never")
    launcher = run.start([run.part("steady"), run.part("redis", "exit=1", vital=True, ready_file=never)])
    assert launcher.wait(PATIENCE_S) == 1
    assert "these are the last words of redis\nredis does not start (exit status 1); its log: " in run.output
    assert [name for name, _ in run.journal_lines("start")].count("redis") == 3
    assert run.living() == []


def test_a_part_counts_as_ready_when_it_says_so(run: Run, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    launcher = run.start([run.part("first", ready_file=str(sign)), run.part("second", needs=["first"])])
    wait_until(lambda: run.journal_lines("start"))
    assert "first ... ok" not in run.output
    sign.touch()
    run.wait_for("starting second ... ok")
    launcher.terminate()
    assert launcher.wait(PATIENCE_S) == 0


def test_what_keeps_a_part_from_its_work_is_told_once(run: Run, tmp_path: Path) -> None:
    trouble = tmp_path / "trouble"
    trouble.write_text("There is no way out.")
    launcher = run.start([run.part("bot", trouble_file=str(trouble)), run.part("steady")])
    run.wait_for("bot: There is no way out.")
    trouble.write_text("")
    run.wait_for("bot: this is over")
    assert run.output.count("no way out") == 1
    launcher.terminate()
    assert launcher.wait(PATIENCE_S) == 0


def test_wrong_settings_stop_everything_with_the_last_words_of_the_part(run: Run) -> None:
    launcher = run.start([run.part("steady"), run.part("bot", "exit=78")])
    assert launcher.wait(PATIENCE_S) == 78
    assert "these are the last words of bot\nbot cannot run with these settings" in run.output
    assert run.living() == []


def test_a_part_that_will_not_stop_is_killed(run: Run) -> None:
    launcher = run.start([run.part("stubborn", "stubborn", stop_wait_s=1)])
    all_up(run)
    launcher.terminate()
    assert launcher.wait(PATIENCE_S) == 0
    assert "stubborn did not stop in time and is killed" in run.output
    assert run.living() == []


def test_a_second_signal_does_not_wait_but_spares_redis(run: Run) -> None:
    launcher = run.start(
        [
            run.part("redis", stage=10),
            run.part("train", "stubborn", stage=40, stop_wait_s=600, stop_note="saving the training"),
        ]
    )
    all_up(run)
    launcher.send_signal(signal.SIGINT)
    run.wait_for("saving the training")
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(PATIENCE_S) == 0
    assert [name for name, _ in run.journal_lines("end")] == ["redis"]
    assert run.living() == []


def test_children_of_a_part_do_not_outlive_it(run: Run) -> None:
    launcher = run.start([run.part("parent", "parent")])
    all_up(run)
    assert len(run.living()) == 4  # launcher, supervisord, the part, its child
    launcher.terminate()
    assert launcher.wait(PATIENCE_S) == 0
    assert run.living() == []


def test_nothing_is_left_when_the_process_manager_is_killed(run: Run) -> None:
    launcher = run.start([run.part("one"), run.part("two", "slow")])
    all_up(run)
    run.supervisord().kill()
    assert launcher.wait(PATIENCE_S) == 1
    assert "the process manager ended unexpectedly" in run.output
    assert run.living() == []
    assert {name for name, _ in run.journal_lines("end")} == {"one", "two"}


def test_a_launcher_told_to_stops_with_its_parent(run: Run) -> None:
    # The shell stands for make; without a second command it would be replaced by the launcher.
    shell = run.start([run.part("one")], "--with-parent", wrapper=["sh", "-c", '"$@"; true', "sh"])
    all_up(run)
    shell.kill()
    run.wait_for_nothing_left()
    assert [name for name, _ in run.journal_lines("end")] == ["one"]


def test_a_closed_terminal_stops_everything(run: Run) -> None:
    terminal, launchers_side = pty.openpty()
    launcher = run.start([run.part("one")], stdin=launchers_side)
    os.close(launchers_side)
    all_up(run)
    os.close(terminal)
    assert launcher.wait(PATIENCE_S) == 0
    assert [name for name, _ in run.journal_lines("end")] == ["one"]


def test_a_part_that_an_operator_stops_stays_stopped(run: Run) -> None:
    launcher = run.start([run.part("one"), run.part("two")])
    all_up(run)
    control = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(run.data / "run" / "supervisord.conf")]
    subprocess.run([*control, "stop", "one"], check=True, capture_output=True)
    run.wait_for("one was stopped by supervisorctl")
    launcher.terminate()
    assert launcher.wait(PATIENCE_S) == 0
    assert "ended unexpectedly" not in run.output
    assert len(run.journal_lines("start")) == 2


def test_a_second_start_is_refused_and_says_where_the_first_runs(run: Run) -> None:
    parts = [run.part("one")]
    first = run.start(parts)
    all_up(run)
    second = run.start(parts)
    assert second.wait(PATIENCE_S) == 2
    assert f"already running on the data folder {run.data} (process {first.pid}) - all parts are up" in run.output
    assert len(run.journal_lines("start")) == 1
    first.terminate()
    assert first.wait(PATIENCE_S) == 0

    third = run.start(parts)  # the lock file is still there, and no obstacle
    run.wait_for("all parts are up", times=3)
    third.terminate()
    assert third.wait(PATIENCE_S) == 0
    assert run.living() == []


def test_it_runs_in_a_folder_with_an_awkward_name(tmp_path: Path) -> None:
    folder = tmp_path / "a b #c ;d %e 'f\" é"
    folder.mkdir()
    run = Run(folder)
    try:
        launcher = run.start([run.part("one")])
        all_up(run)
        launcher.terminate()
        assert launcher.wait(PATIENCE_S) == 0
        assert [name for name, _ in run.journal_lines("end")] == ["one"]
        assert (run.data / "logs" / "one.log").exists()
    finally:
        run.close()
