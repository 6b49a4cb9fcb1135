"""measure.py: CPU of programs, the floors they stand on, and the middle of several rounds."""
import os
import statistics
import time

TICK_US = 1000000 / os.sysconf("SC_CLK_TCK")


def own_cpu_us(pid):
    """CPU of one process, all its threads, also those that ended, in microseconds."""
    return time.clock_gettime(~pid << 3 | 2) * 1000000


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as file:
            found += map(int, file.read().split())
    return found


def below_cpu_us(pid):
    """CPU of all processes below one: those that live, and those that it has waited for."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    gone = (int(fields[13]) + int(fields[14])) * TICK_US
    return gone + sum(own_cpu_us(child) + below_cpu_us(child) for child in children(pid))


def cpu_us(pid):
    """CPU of a process and of all below it."""
    return own_cpu_us(pid) + below_cpu_us(pid)


def floor_us(redis, messages, text, rounds=500):
    """Redis's CPU for the messages of one job, written by plain pipelined XADDs and one EXPIRE."""
    before = own_cpu_us(redis.popen.pid)
    connection = redis.connect()
    for number in range(rounds):
        words = [["XADD", f"floor:{number}", "*", "data", text]] * messages
        words.append(["EXPIRE", f"floor:{number}", "60"])
        connection.sock.sendall(b"".join(
            b"*%d\r\n" % len(one) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in one)
            for one in words))
        for _ in words:
            connection._read()
    connection.close()
    return (own_cpu_us(redis.popen.pid) - before) / rounds


def process_us(rounds=50):
    """CPU of a process that does nothing: the floor of one process a job."""
    before = below_cpu_us(os.getpid())
    for _ in range(rounds):
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
    return (below_cpu_us(os.getpid()) - before) / rounds


def middle(values):
    return statistics.median(values)


def machine():
    """What it all ran on, in one line."""
    with open("/proc/cpuinfo") as file:
        model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    with open("/proc/meminfo") as file:
        memory = int(next(line for line in file if line.startswith("MemTotal")).split()[1])
    uname = os.uname()
    return (f"{os.cpu_count()} CPUs ({model}), {memory / 1048576:.0f} GiB, {uname.sysname} "
            f"{uname.release.split('-')[0]}, load {os.getloadavg()[0]:.1f} at the start")
