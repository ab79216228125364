"""Memory that a burst leaves behind goes back to the system."""

from __future__ import annotations

import gc
import platform
import threading

import psutil
import pytest

from worker.heap import Trimmer, trim

LEAST_MB = 60


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory in this way")
def test_what_is_free_is_given_back() -> None:
    own = psutil.Process()
    # Small pieces, of which a last one stays: the allocator cannot give the rest back by itself.
    pieces = [bytes(2_000) for _ in range(50_000)]
    kept = pieces[::1_000]
    del pieces
    gc.collect()
    before = own.memory_full_info().uss
    assert trim()
    assert (before - own.memory_full_info().uss) / 1e6 > LEAST_MB
    assert len(kept) == 50


def test_it_trims_after_work_and_not_without() -> None:
    done = threading.Event()

    def told() -> bool:
        done.set()
        return True

    trimmer = Trimmer(every_s=0.05, trim=told)
    trimmer.start()
    try:
        assert not done.wait(0.3)
        for _ in range(2):
            done.clear()
            trimmer.worked()
            trimmer.worked()
            assert done.wait(10)
    finally:
        trimmer.stop()
        trimmer.join(10)
    assert not trimmer.is_alive()


def test_it_ends_where_there_is_no_such_call() -> None:
    trimmer = Trimmer(every_s=0, trim=lambda: False)
    trimmer.start()
    trimmer.worked()
    trimmer.join(10)
    assert not trimmer.is_alive()
