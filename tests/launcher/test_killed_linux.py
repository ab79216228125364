"""When the launcher is killed without a word, nothing is left behind."""

from __future__ import annotations

import signal

from tests.launcher.running import PATIENCE_S, Run, all_up


def test_the_parts_end_with_the_launcher_and_the_folder_stays_locked_until_they_have(run: Run) -> None:
    parts = [
        run.part("train", "slow", stop_wait_s=600),
        run.part("deaf", "stubborn", death_signal=signal.SIGKILL),
        run.part("saving", "stubborn"),
    ]
    first = run.start(parts)
    all_up(run)
    saving = run.pid("saving")
    first.kill()
    first.wait()
    second = run.start(parts)
    assert second.wait(PATIENCE_S) == 2
    assert "still being stopped" in run.output
    run.kill(saving)
    run.wait_for_nothing_left()
    assert [name for name, _ in run.journal_lines("end")] == ["train"]
