"""`ncs` for which the permissions of files hold, also when root runs it."""

from __future__ import annotations

import ctypes
import os
import sys

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1

if __name__ == "__main__":
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "cannot give up CAP_DAC_OVERRIDE")
    # What was given up is out of reach after an exec.
    os.execv(sys.executable, [sys.executable, "-m", "ncs_streamer", *sys.argv[1:]])
