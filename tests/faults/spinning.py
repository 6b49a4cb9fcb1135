"""spinning.py: what a program does with the processor while it can do nothing else."""
import os
import time

from leat import FACTOR, check, until

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(program):
    with open(f"/proc/{program.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def does_not_spin(program, seconds=2):
    """Under a tenth of a core, whatever it waits for."""
    before, began = cpu_s(program), time.monotonic()
    until(lambda: time.monotonic() - began > seconds, seconds + 2, "a while")
    used = (cpu_s(program) - before) / (time.monotonic() - began)
    check(used < 0.1 * FACTOR, f"{program.name} used {used:.0%} of a core")
