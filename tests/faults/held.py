"""`career-ledger ARGUMENTS` that begins when the file named first is gone: whoever wants to look at what it does is
there by then."""

import ctypes
import sys
import time
from pathlib import Path

from ledger.entrypoints.cli import main

PTRACER, ANYBODY = 0x59616D61, 2**64 - 1  # where only a parent may trace (Yama)

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PTRACER, ctypes.c_ulong(ANYBODY), 0, 0, 0)
    held = Path(sys.argv.pop(1))
    while held.exists():
        time.sleep(0.001)
    main()
