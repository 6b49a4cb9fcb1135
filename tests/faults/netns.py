"""netns.py: a network of a story's own, which can be partitioned.

The story's process moves into a new network namespace and is the router there; each host is a
namespace of a process that sleeps, so all of it goes with the story, however that ends. Nothing is
changed outside. Needs root, iproute2, nftables. Where namespaces are not to be had a story fails,
unless LEAT_NO_NETNS=1 says that this is known.
"""
import ctypes
import functools
import os
import shutil
import signal
import subprocess

from leat import Failed, check, until

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def needs_namespaces(story):
    """Mark a story that needs root and namespaces."""

    @functools.wraps(story)
    def told(leat):
        if os.environ.get("LEAT_NO_NETNS") == "1":
            print("note: NOT RUN, because of LEAT_NO_NETNS=1: no namespaces to be had here")
        else:
            story(leat)

    return told


def needs_network(story):
    """Mark a story that partitions: it gets the network as its second argument."""

    @needs_namespaces
    @functools.wraps(story)
    def told(leat):
        leat.redis.kill()  # the standard one; it lives outside
        story(leat, Network(leat))

    return told


def _run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    check(done.returncode == 0, lambda: f"{' '.join(words)}: {done.stderr.strip()}")


def _die_with_the_story():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Network:
    def __init__(self, leat):
        self.leat, self.hosts = leat, {}
        for command in ("ip", "nft", "nsenter"):
            check(shutil.which(command), f"{command} is not installed (scripts/install-deps test)")
        if _libc.unshare(CLONE_NEWNET) != 0:
            raise Failed("no network namespace to be had: "
                         f"{os.strerror(ctypes.get_errno())}. The stories of partitions need root "
                         "(in Docker: --privileged); LEAT_NO_NETNS=1 leaves them out")
        _run("ip", "link", "set", "lo", "up")
        with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
            file.write("1")
        _run("nft", "add table ip leat; add chain ip leat cuts"
                    " { type filter hook forward priority 0; }")

    def host(self, name):
        host = self.hosts[name] = Host(self, name, len(self.hosts) + 1)
        return host

    def cut(self, some, others, how="drop", back=True):
        """Nothing gets from `some` hosts to `others` any more, and back. how: drop or reject."""
        action = "drop" if how == "drop" else "reject with tcp reset"
        a, b = (f"{{ {', '.join(host.address for host in hosts)} }}" for hosts in (some, others))
        rules = [f"add rule ip leat cuts ip protocol tcp ip saddr {x} ip daddr {y} {action}"
                 for x, y in ((a, b), (b, a))[:2 if back else 1]]
        _run("nft", "; ".join(rules))

    def heal(self):
        _run("nft", "flush chain ip leat cuts")


class Host:
    """before: what a command line begins with to run there. Its /etc/hosts is its own."""

    def __init__(self, network, name, number):
        self.network, self.name = network, name
        self.address = f"10.77.{number}.2"
        self.names_file = network.leat.file(f"hosts-{name}")
        self.names(localhost="127.0.0.1")
        self.popen = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c",
             f"mount --bind {self.names_file} /etc/hosts && touch {self.names_file}.there && exec sleep 600"],
            preexec_fn=_die_with_the_story, stdin=subprocess.DEVNULL)
        network.leat.helpers.append(self)
        until(lambda: os.path.exists(self.names_file + ".there"), 10, f"the host {name} is there")
        self.before = ["nsenter", f"--net=/proc/{self.popen.pid}/ns/net", f"--mount=/proc/{self.popen.pid}/ns/mnt"]
        _run("ip", "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns",
             str(self.popen.pid))
        _run("ip", "address", "add", f"10.77.{number}.1/24", "dev", f"v{number}")
        _run("ip", "link", "set", f"v{number}", "up")
        for words in (("link", "set", "lo", "up"), ("address", "add", self.address + "/24", "dev", "eth0"),
                      ("link", "set", "eth0", "up"), ("route", "add", "default", "via", f"10.77.{number}.1")):
            _run(*self.before, "ip", *words)

    def names(self, **addresses):
        """What this host's names mean, from now on."""
        with open(self.names_file, "w") as file:
            file.write("".join(f"{address} {name}\n" for name, address in addresses.items()))

    def run(self, start):
        """start() with all programs that it starts on this host."""
        before, self.network.leat.before = self.network.leat.before, self.before
        try:
            return start()
        finally:
            self.network.leat.before = before

    def gateway(self, **env):
        return self.run(lambda: self.network.leat.gateway(API_HOST=self.address, **env))

    def worker(self, tasks=None, **env):
        return self.run(lambda: self.network.leat.worker(tasks, **env))

    def close(self):
        self.popen.kill()
        self.popen.wait()
