"""When the launcher is killed without a word, nothing is left behind."""

from __future__ import annotations

from tests.launcher.running import PATIENCE_S, Run, all_up


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
