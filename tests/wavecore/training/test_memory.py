import platform
import subprocess
import sys

import numpy as np
import pytest

from wavecore.training import memory

# Takes and frees 64 MiB, touching every page, and counts how often the system had to give pages anew.
FAULTS = """
import ctypes, resource, sys
from wavecore.training.memory import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else 0
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
def use():
    block = libc.malloc(2**26)
    libc.memset(block, 1, 2**26)
    libc.free(block)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    use()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(word: str) -> tuple[int, int]:
    command = [sys.executable, "-P", "-c", FAULTS, word]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    kept, faults = map(int, done.stdout.split())
    return kept, faults


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_used_again_without_page_faults():
    kept, faults = page_faults("keep")
    if kept < 2**26:
        pytest.skip(f"this glibc keeps blocks of up to {kept} bytes only")
    assert faults < 100 < page_faults("leave")[1]


def test_nothing_is_changed_where_the_c_library_is_another(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: pytest.fail("the C library was called"))
    assert memory.keep_freed_memory() == 0


def test_an_older_glibc_gets_the_most_it_takes(monkeypatch):
    calls = []

    class Library:
        @staticmethod
        def mallopt(parameter, value):
            calls.append((parameter, value))
            return int(value <= 2**25)

    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.17"))
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: Library)
    assert memory.keep_freed_memory() == 2**25
    assert calls[-2:] == [(-3, 2**25), (-1, 2**25)]


def test_a_glibc_that_refuses_is_told(monkeypatch):
    class Library:
        mallopt = staticmethod(lambda parameter, value: 0)

    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.0"))
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: Library)
    assert memory.keep_freed_memory() == 0


@pytest.mark.slow
def test_what_was_held_is_remembered_after_it_is_freed():
    before = memory.peak_bytes("cpu")
    held = np.ones((before + 2**26) // 8)
    after = memory.peak_bytes("cpu")
    assert after - before > 2**25
    assert after < before + held.nbytes + 2**26
    del held
    assert memory.peak_bytes("cpu") >= after
