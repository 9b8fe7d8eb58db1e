"""A network of a test's own: a namespace of Linux in which it is root, whatever it is outside.

run_in_network([sys.executable, "-m", "tests.probes.echoes", ...], ROUTED, privileged=False)
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from tests.support.process import SERVER_PATH, program

ALONE = "ip link set lo up"
# The prober (10.0.0.1, fd00::1) behind a router (10.0.0.2, fd00::2) that knows several kinds of nowhere.
ROUTED = """
ip link set lo up
unshare --net sleep 60 >/dev/null 2>&1 & router=$!
until [ "$(readlink /proc/$router/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
at_router() { nsenter --target $router --net "$@"; }
sysctl -qw net.ipv6.conf.default.accept_dad=0
at_router sysctl -qw net.ipv6.conf.default.accept_dad=0

ip link add near type veth peer name far netns $router
ip address add 10.0.0.1/24 dev near
ip address add fd00::1/64 dev near
ip link set near up
at_router ip address add 10.0.0.2/24 dev far
at_router ip address add fd00::2/64 dev far
at_router ip link set far up
ip route add default via 10.0.0.2
ip -6 route add default via fd00::2

at_router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
at_router sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
at_router ip route add unreachable 10.1.0.0/24
at_router ip route add prohibit 10.2.0.0/24
at_router ip route add blackhole 10.3.0.0/24
at_router ip -6 route add unreachable fd00:1::/64
at_router ip -6 route add prohibit fd00:2::/64
at_router ip -6 route add blackhole fd00:3::/64
at_router ip link add narrow type veth peer name beyond
at_router ip link set beyond up
at_router ip link set narrow mtu 1280 up
at_router ip route add 10.4.0.0/24 dev narrow
at_router ip -6 route add fd00:4::/64 dev narrow
until [ -z "$(ip -6 address show tentative)$(at_router ip -6 address show tentative)" ]; do sleep 0.02; done
"""


def run_in_network(argv: Sequence[str], setup: str, *, ping_group_range: str, privileged: bool) -> bytes:
    """What the program prints, run in a network made by the shell commands of `setup`; without privileges it has no
    capability there, and only `ping_group_range` may let it ping."""
    # With processes of its own: when the program ends the kernel ends whatever else runs there.
    namespace = [program("unshare"), "--net", "--pid", "--mount-proc", "--kill-child", "--fork"]
    if os.getuid() != 0:
        namespace += ["--user", "--map-root-user"]
    drop = [] if privileged else [program("setpriv"), "--bounding-set=-all", "--inh-caps=-all"]
    script = f'set -e\nsysctl -qw net.ipv4.ping_group_range="{ping_group_range}"\n{setup}\nexec "$@"\n'
    done = subprocess.run(
        [*namespace, program("sh"), "-c", script, "sh", *drop, *argv],
        check=False,
        capture_output=True,
        timeout=60,
        env={**os.environ, "PATH": SERVER_PATH},
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
