"""How much of the processors was left to a test: a limit in seconds means little while others have them all."""
import os

TICK = os.sysconf("SC_CLK_TCK")


def all_seconds():
    """(busy, in all) of all processors since the start of the machine; stolen time is somebody's too."""
    with open("/proc/stat") as f:
        times = [int(n) / TICK for n in f.readline().split()[1:9]]
    return sum(times) - times[3] - times[4], sum(times)


def used_by(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return sum(int(n) for n in f.read().rpartition(")")[2].split()[11:13]) / TICK
    except OSError:
        return 0.0


class Processors:
    """From its making on. What ends without being waited for by us is told by ends() just before."""

    def __init__(self):
        self.busy, self.all = all_seconds()
        self.own = sum(os.times()[:4])
        self.ended = 0.0

    def ends(self, pids):
        self.ended += sum(map(used_by, pids))

    def left(self):
        """The part of them that others did not use: 1.0 when we were alone."""
        busy, all_ = all_seconds()
        others = busy - self.busy - self.ended - (sum(os.times()[:4]) - self.own)
        return min(1.0, max(0.05, 1 - others / max(all_ - self.all, 0.01)))
