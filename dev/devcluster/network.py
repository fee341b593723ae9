"""The machine's side of the pod network: kernel settings, our few iptables rules, and their removal."""
import pathlib
import re
import shutil
import subprocess

from . import settings
from .report import Failure

# What we set (None: only remembered, since kubelet or kube-proxy set it) and `down` sets back.
KERNEL_SETTINGS = {
    "net/ipv4/ip_forward": "1",
    # Without it an answer between two pods would bypass the address translation of Services.
    "net/bridge/bridge-nf-call-iptables": "1",
    "fs/inotify/max_user_instances": "1024",
    "net/ipv4/conf/all/route_localnet": None,
    "net/ipv4/vs/conntrack": None,
    "kernel/keys/root_maxbytes": None,
    "kernel/keys/root_maxkeys": None,
    "kernel/panic": None,
    "kernel/panic_on_oops": None,
    "vm/overcommit_memory": None,
    "vm/panic_on_oom": None,
}
OUR_CHAINS = re.compile(r"^(KUBE-|REDIS-DEV-)")
NO_KUBERNETES = re.compile(r"^REDIS-DEV-")  # those of our own that no Kubernetes has
TABLES = ("filter", "nat", "mangle")
POLICY_CHAIN = "REDIS-DEV-POLICY"


def remember_kernel_settings():
    """The values before `up`, for `down`."""
    _load_bridge_filter()
    return {name: _kernel_file(name).read_text().strip() for name in KERNEL_SETTINGS if _kernel_file(name).exists()}


def restore_kernel_settings(values):
    for name, value in values.items():
        _set_kernel(name, value)


def changed_kernel_settings(values):
    """Those that have another value now."""
    return [name for name, value in values.items()
            if _kernel_file(name).exists() and _kernel_file(name).read_text().strip() != value]


def ensure(node_address):
    """Kernel settings and our rules; everything may be there already."""
    _load_bridge_filter()
    for name, least in KERNEL_SETTINGS.items():
        path = _kernel_file(name)
        if least is not None and path.exists() and int(path.read_text()) < int(least):
            _set_kernel(name, least)
    pods, all_pods = settings.NODE_POD_RANGE, settings.POD_RANGE
    api = f"{node_address}:{settings.API_PORT}"
    # Loopback leads to the API server, which listens on the node's address only.
    _chain("nat", "OUTPUT", "REDIS-DEV-API",
           [f"-d 127.0.0.1/32 -p tcp -m tcp --dport {settings.API_PORT} -j DNAT --to-destination {api}"])
    # Pods reach the outside under the machine's address.
    _chain("nat", "POSTROUTING", "REDIS-DEV-POST", [f"-s {pods} ! -d {all_pods} -j MASQUERADE"])
    # On machines that forward nothing by default.
    _chain("filter", "FORWARD", "REDIS-DEV-FORWARD", [f"-s {pods} -j ACCEPT", f"-d {pods} -j ACCEPT"])


def ask_about_connections():
    """The first packets of connections between pods, and of pods and the outside, go to what enforces NetworkPolicies.

    In mangle, since what is let through skips the rest of its table, and the rules of Services are in filter.
    While nobody serves the queue, all is let through.
    """
    pods, ask = settings.NODE_POD_RANGE, f"-j NFQUEUE --queue-num {settings.POLICY_QUEUE} --queue-bypass"
    _chain("mangle", "FORWARD", POLICY_CHAIN, ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
                                               f"-s {pods} {ask}", f"-d {pods} {ask}"])


def ask_no_more():
    _remove_chains("iptables", "mangle", re.compile(f"^{POLICY_CHAIN}$"))


def policy_queue_is_served():
    try:
        queues = pathlib.Path("/proc/net/netfilter/nfnetlink_queue").read_text().splitlines()
    except OSError:
        return False
    return any(line.split()[0] == str(settings.POLICY_QUEUE) for line in queues)


def foreign_kubernetes():
    """Whether chains of another Kubernetes are there; ours would mix with them."""
    return any(OUR_CHAINS.match(chain) for chain in _saved("iptables", "nat")[0])


def remove(names=OUR_CHAINS):
    """Takes away the chains of kube-proxy and of ours, and the bridge (the pods are gone by then)."""
    for family in ("iptables", "ip6tables"):
        for table in TABLES:
            _remove_chains(family, table, names)
    if pathlib.Path(f"/sys/class/net/{settings.BRIDGE}").exists():
        _run(["ip", "link", "delete", settings.BRIDGE])


def _chain(table, parent, name, rules):
    lines = [f"*{table}", f":{name} - [0:0]", *(f"-A {name} {rule}" for rule in rules), "COMMIT"]
    # In one transaction: declaring an existing chain empties it first.
    _run(["iptables-restore", "--wait", "--noflush"], "\n".join(lines) + "\n")
    jump = ["-t", table, "-C", parent, "-j", name]
    if subprocess.run(["iptables", "--wait", *jump], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        _run(["iptables", "--wait", "-t", table, "-I", parent, "1", "-j", name])


def _remove_chains(family, table, names):
    chains, rules = _saved(family, table)
    ours = [chain for chain in chains if names.match(chain)]
    if not ours:
        return
    lines = [f"*{table}"]
    for rule in rules:
        parent, target = rule.split()[1], re.search(r"(?:-j|-g) (\S+)", rule)
        if target and names.match(target.group(1)) and not names.match(parent):
            lines.append("-D" + rule[2:])
    lines += [f"-F {chain}" for chain in ours] + [f"-X {chain}" for chain in ours] + ["COMMIT"]
    _run([f"{family}-restore", "--wait", "--noflush"], "\n".join(lines) + "\n")


def _saved(family, table):
    """The chains and rules of a table; a kernel without the table has none, and so has a machine without iptables."""
    if not shutil.which(f"{family}-save"):
        return [], []
    done = subprocess.run([f"{family}-save", "-t", table], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=False)
    lines = done.stdout.splitlines()
    return [line[1:].split()[0] for line in lines if line.startswith(":")], [x for x in lines if x.startswith("-A ")]


def _load_bridge_filter():
    if not _kernel_file("net/bridge/bridge-nf-call-iptables").exists() and shutil.which("modprobe"):
        # It may be built in or not allowed to be loaded; then the setting is simply not there.
        subprocess.run(["modprobe", "br_netfilter"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def _kernel_file(name):
    return pathlib.Path("/proc/sys") / name


def _set_kernel(name, value):
    path = _kernel_file(name)
    if path.exists() and path.read_text().strip() != value:
        path.write_text(value)


def _run(command, text=None):
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} failed: {done.stdout.strip()}",
                      "the cluster's network needs root, iptables and iproute2")
