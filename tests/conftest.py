"""One thread for each test process: several on a busy machine wait for each other far longer than they work."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
