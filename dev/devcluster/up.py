"""`up`: from whatever there is to a running cluster; what already runs as wanted is left alone."""
import concurrent.futures
import os
import uuid

from . import (cache, configs, containers, debian, down, gobuild, image, keys, neighbours, network, objects, operator,
               outside, parts, process, runfolder, settings, state)
from .report import Failure, say, step

USE_IT = "end that one, or use it: REDIS_DEV_KUBECONFIG=its-kubeconfig dev/cluster up"


def up(version, gate, qps, network_policies):
    """Brings the cluster up with this operator version (None: without operator), which may send so many requests per second
    (None: as many as by itself), and with NetworkPolicies enforced or not."""
    if os.geteuid() != 0:
        raise Failure("containers, mounts and iptables need root", "sudo -E dev/cluster up")
    with cache.lock("cluster"):
        runfolder.check()
        _refuse_another_kubernetes()
        debian.ensure()
        version = _build(version, network_policies)
        node_address = _node_address()
        down.forget_if_restarted()
        state.update(boot=state.boot())
        _remember_machine()
        outside.make(state.load())
        network.ensure(node_address)
        keys.ensure(node_address)
        configs.write_all(node_address)
        with step("starting the cluster"):
            _start(node_address, version, gate, qps, network_policies)
        state.update(operator=version or "absent", gate=gate, qps=qps, node_address=node_address,
                     network_policies="on" if network_policies else "off")
    say(f"ready: {settings.admin_kubeconfig()}, operator {version or 'absent'}, gate {gate}"
        + (", NetworkPolicies enforced" if network_policies else ""))


def _build(version, network_policies):
    """Builds what is needed and missing; returns the operator version that can be had."""
    if network_policies:
        cache.ensure(gobuild.network_policies())
    for recipe in (gobuild.kubernetes(), gobuild.etcd(), gobuild.coredns(), gobuild.local_path(), image.RedisImage()):
        cache.ensure(recipe)
    if version is None:
        return None
    try:
        cache.ensure(operator.Operator(version))
    except Failure as failure:
        if operator.find_source(version) is not None:
            raise  # there is a source, so what failed is the build
        say(f"running without the operator: {failure.what} (log: {failure.log}); set REDIS_OPERATOR_SRC")
        return None
    return version


def _node_address():
    address = settings.node_address()
    if address is None:
        raise Failure("the machine has no address beside loopback",
                      "pods need one to reach the API server; connect a network or add one to a dummy link")
    return address


def _refuse_another_kubernetes():
    """Before anything is installed, changed or removed: two of them would write the same chains, folders and groups."""
    known = state.load()
    if "kernel_settings" in known and known.get("boot") == state.boot():
        return  # ours has been started already, and the chains are its own
    other = neighbours.first(neighbours.running(), neighbours.KUBERNETES)
    if other:
        raise Failure(f"another Kubernetes runs on this machine: {other.name}", USE_IT)
    if network.foreign_kubernetes():
        raise Failure("this machine has iptables chains of another Kubernetes (KUBE-…)",
                      f"{USE_IT}; if it has ended, its chains go with the next restart of the machine")


def _remember_machine():
    """Before the first change: how the machine looks, so that `down` can put it back."""
    if "kernel_settings" in state.load():
        return
    state.update(kernel_settings=network.remember_kernel_settings(), absent_folders=outside.absent(),
                 installed=neighbours.installed(), mark=str(uuid.uuid4()))


def _start(node_address, version, gate, qps, network_policies):
    wanted = parts.define(node_address, network_policies)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        # Images take as long as the control plane does, so both at once.
        images = pool.submit(_bring_in_images, wanted["containerd"], version)
        for name in ("etcd", "kube-apiserver"):
            _ensure(wanted[name])
        rest = [pool.submit(_ensure, wanted[name]) for name in ("kube-controller-manager", "kube-scheduler",
                "kube-proxy", "coredns", "local-path-provisioner")]
        rest.append(pool.submit(_enforce_network_policies, wanted.get(parts.NETWORK_POLICIES)))
        base = pool.submit(objects.apply_base, node_address)
        if version:
            operator_applied = pool.submit(objects.apply_operator, node_address, version, gate, qps)
        images.result()
        _ensure(wanted["kubelet"])
        for job in (*rest, base):
            job.result()
        objects.wait_node(60)
        if version:
            operator_applied.result()
            objects.wait_operator(120)
        else:
            objects.remove_operator()


def _enforce_network_policies(part):
    """None: no more."""
    if part:
        _ensure(part)
        network.ask_about_connections()
    else:
        network.ask_no_more()
        process.stop(parts.NETWORK_POLICIES)


def _bring_in_images(containerd, version):
    _ensure(containerd)
    containers.import_image(cache.ensure(image.RedisImage()) / "image.tar")
    if version:
        containers.import_image(cache.ensure(operator.Operator(version)) / "image.tar")


def _ensure(part):
    """Starts the part if need be and returns when it serves."""
    if process.ensure(part):
        say(f"  started {part.name}")
    process.wait_ready(part)
