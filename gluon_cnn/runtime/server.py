"""The end of a parameter server whose job is gone."""

import os
import socket
import sys
import time

__all__ = ["end_with_scheduler"]


def end_with_scheduler(address, every=10.0):
    """End this process once nobody listens at the address (host, port) of the job's scheduler any more.

    Otherwise a parameter server waits forever for a job that was killed. It tries to connect every ``every`` seconds,
    and ends the process when nobody has answered three times in a row.
    """
    seen, misses = False, 0
    while misses < 3:
        time.sleep(every)
        try:
            socket.create_connection(address, timeout=every).close()
            seen, misses = True, 0
        except OSError:
            misses += seen
    print("gluon-cnn: the scheduler of this server's job is gone, so the server ends.", file=sys.stderr, flush=True)
    os._exit(1)
