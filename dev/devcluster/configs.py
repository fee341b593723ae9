"""Fills in the templates of dev/config and dev/objects, so that they stay plain files one can read."""
import pathlib
import string

from . import keys, settings


def values(node_address, **more):
    """What the templates may name."""
    return {
        "run": settings.run(), "keys": keys.folder(), "node_address": node_address,
        "node_name": settings.NODE_NAME, "bridge": settings.BRIDGE, "pod_range": settings.POD_RANGE,
        "node_pod_range": settings.NODE_POD_RANGE, "pause_image": settings.PAUSE_IMAGE,
        "cni_plugins": settings.CNI_PLUGINS, "kubelet_port": settings.KUBELET_PORT,
        "dns_service_address": settings.DNS_SERVICE_ADDRESS, "dns_port": settings.DNS_PORT,
        "dns_ready_port": settings.DNS_READY_PORT, "forward": _forward(),
        "operator_namespace": settings.OPERATOR_NAMESPACE, **more}


def path(name):
    """Where the filled-in configuration file stands."""
    if name == "cni.conflist":
        return settings.run() / "config" / "cni" / "10-redis-dev.conflist"
    return settings.run() / "config" / name


def write_all(node_address):
    """Writes the configuration files that changed; kube-proxy ends itself when its file is only written again."""
    filling = values(node_address)
    for template in (settings.DEV / "config").iterdir():
        target = path(template.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = filled(template, filling)
        if not target.exists() or target.read_text() != text:
            target.write_text(text)


def filled(template, filling):
    return string.Template(template.read_text()).substitute(filling)


def _forward():
    """CoreDNS passes other names on to the machine's resolvers, when it has any."""
    try:
        lines = pathlib.Path("/etc/resolv.conf").read_text().splitlines()
    except OSError:
        lines = []
    has_resolver = any(line.split()[:1] == ["nameserver"] for line in lines)
    return "forward . /etc/resolv.conf" if has_resolver else ""
