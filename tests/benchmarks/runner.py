"""Run a command and print what it took, as JSON: a process so small that its own memory does not count.

A process begins with the peak of the one that it was made from (getrusage(2)), so that the peak of a small
command cannot be told by a large program. Standard library only, and little of it.
"""

import os
import sys
import time


def main() -> None:
    """Run argv[1:], its output thrown away; print wall and CPU seconds, peak in KiB and the exit code."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.execvp(sys.argv[1], sys.argv[1:])
    _, status, used = os.wait4(child, 0)
    wall = time.monotonic() - began
    code = os.waitstatus_to_exitcode(status)
    cpu = used.ru_utime + used.ru_stime
    print(f'{{"wall": {wall:.6f}, "cpu": {cpu:.6f}, "peak": {used.ru_maxrss}, "code": {code}}}')


main()
