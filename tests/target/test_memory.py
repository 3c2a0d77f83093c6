from __future__ import annotations

import subprocess
import sys

import pytest

THREADS = """
import ctypes, re, sys, tempfile, threading
from target_kustomer.memory import share_heaps

if "shared" in sys.argv:
    share_heaps()
barrier = threading.Barrier(8)
kept = []

def take():
    kept.append(bytearray(100_000))
    barrier.wait()

threads = [threading.Thread(target=take) for _ in range(8)]
for each in threads:
    each.start()
for each in threads:
    each.join()
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as told:
    file = ctypes.c_void_p(library.fopen(told.name.encode(), b"w"))
    library.malloc_info(0, file)
    library.fclose(file)
    print(told.read().count(b"<heap nr="))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc")
def test_all_threads_share_two_heaps() -> None:
    def heaps(*args: str) -> int:
        command = [sys.executable, "-c", THREADS, *args]
        return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    assert heaps("shared") <= 2 < heaps()
