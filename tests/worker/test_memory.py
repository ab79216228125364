"""Memory that a burst leaves behind goes back to the system."""

from __future__ import annotations

import gc
import platform

import psutil
import pytest

from worker.memory import trim

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
    trim()
    assert (before - own.memory_full_info().uss) / 1e6 > LEAST_MB
    assert len(kept) == 50
