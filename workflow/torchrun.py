"""Share each batch between processes: `python workflow/torchrun.py N SCRIPT ARGUMENT…`.

This is torchrun without the traceback that it adds to a failed process's one sentence.
"""

import logging
import os
import re
import sys

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main


def share(processes: str, script: list[str]) -> int:
    """Return 0, or 1 if a process failed."""
    logging.disable(logging.ERROR)  # torchrun's own
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # else it warns; the scripts set their threads
    try:
        main(["--standalone", "--nproc-per-node", processes, *script])
    except ChildFailedError:
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3 or not re.fullmatch("[1-9][0-9]{0,3}", sys.argv[1]):
        sys.exit("error: needed are a number of processes from 1 to 9999, and a script.")
    sys.exit(share(sys.argv[1], sys.argv[2:]))
