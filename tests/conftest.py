"""What every test process starts from."""

import os
import signal

# Several threads on a busy machine wait for each other far longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell starts background jobs deaf to it, and they their children: those that tests interrupt would go on.
signal.signal(signal.SIGINT, signal.default_int_handler)
