"""Hosts made of network namespaces: each with one address, all on one bridge. Needs root and iproute2."""
import os
import secrets
import subprocess

# What keeps strangers out of a run of several hosts.
SECRET = secrets.token_hex(16)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Hosts:
    """As many hosts, gone at the end of the `with`."""

    def __init__(self, count):
        self.count = count
        self.hub = f"malhub{os.getpid()}"
        self.names = [f"malhost{os.getpid()}-{number}" for number in range(count)]

    def __enter__(self):
        try:
            ip("netns", "add", self.hub)
            ip("-n", self.hub, "link", "add", "hub", "type", "bridge")
            ip("-n", self.hub, "link", "set", "hub", "up")
            for number, name in enumerate(self.names):
                ip("netns", "add", name)
                ip("link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", f"port{number}", "netns", self.hub)
                ip("-n", self.hub, "link", "set", f"port{number}", "master", "hub", "up")
                ip("-n", name, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
                ip("-n", name, "link", "set", "eth0", "up")
                ip("-n", name, "link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in [*self.names, self.hub]:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)

    def address(self, number):
        return f"10.123.45.{number + 1}"

    def command(self, number, words):
        """`words` as a command of that host."""
        return ["ip", "netns", "exec", self.names[number], *words]

    def cut(self, number):
        ip("-n", self.hub, "link", "set", f"port{number}", "down")

    def mend(self, number):
        ip("-n", self.hub, "link", "set", f"port{number}", "up")

    def limit(self, rate):
        """What each host can send, such as 1gbit."""
        for name in self.names:
            subprocess.run(
                ["tc", "-n", name, "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "256kb", "latency", "50ms"],
                check=True)

    def environment(self, rank, count, port=29511):
        """What `mal launch --nodes` wants of the machine `rank` of `count`, the first being `self.names[0]`."""
        return {"NODE_RANK": str(rank), "MASTER_ADDR": self.address(0), "MASTER_PORT": str(port), "MAL_RUN_SECRET": SECRET}
