"""Whoever of the launcher's processes is killed without a word, nothing is left behind."""

from __future__ import annotations

import subprocess
import sys

from launcher.config import guarded
from launcher.guard import PARENT_VARIABLE
from tests.launcher.running import PATIENCE_S, ROOT, Run, all_up


def test_parts_are_stopped_in_order_when_the_launcher_is_killed(run: Run) -> None:
    launcher = run.start([run.part("base", stage=10), run.part("top", "slow", stage=40)])
    all_up(run)
    launcher.kill()
    run.wait_for_nothing_left()
    assert [name for name, _ in run.journal_lines("end")] == ["top", "base"]


def test_nothing_is_left_when_launcher_and_process_manager_are_killed(run: Run) -> None:
    launcher = run.start([run.part("one"), run.part("two", "stubborn", death_signal="SIGKILL")])
    all_up(run)
    supervisord = run.supervisord()
    launcher.kill()
    supervisord.kill()
    run.wait_for_nothing_left()


def test_the_folder_stays_locked_while_a_killed_run_is_being_stopped(run: Run) -> None:
    parts = [run.part("train", "stubborn", stop_wait_s=600)]
    first = run.start(parts)
    all_up(run)
    first.kill()
    first.wait()
    second = run.start(parts)
    assert second.wait(PATIENCE_S) == 2
    assert "still being stopped" in run.output


def test_a_program_whose_parent_is_already_gone_is_not_started() -> None:
    program = guarded([sys.executable, "-c", "print('started')"], "SIGKILL", ROOT)
    not_our_pid = {PARENT_VARIABLE: "-1"}
    result = subprocess.run(program, env=not_our_pid, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stdout == ""
    assert "the parent is gone" in result.stderr
