"""`status`, `env` and `logs`: what others want to know about the cluster."""
import os
import shlex
import subprocess

from . import external, gobuild, objects, parts, process, settings, state, terraform
from .report import Failure


def status():
    """One line per part; the exit code says whether all is well."""
    foreign = settings.foreign_kubeconfig()
    if foreign:
        external.Cluster(foreign).check()
        return 0
    if not settings.run().exists():
        print("no cluster; dev/cluster up starts one")
        return 1
    well = [_part_line(name) for name in parts.NAMES]
    if _network_policies() == "on":
        well.append(_part_line(parts.NETWORK_POLICIES))
    else:
        print(f"{parts.NETWORK_POLICIES:<24}off")
    if process.running("kube-apiserver") and process.running("etcd"):
        well += [_object_line("node", "node", settings.NODE_NAME, ".status.conditions[?(@.type=='Ready')].status", "True")]
        if state.load().get("operator", "absent") == "absent":
            print(f"{'operator':<24}absent")
        else:
            qps = state.load().get("qps")
            extra = f"{state.load()['operator']}, gate {state.load()['gate']}" + (f", {qps} requests/s" if qps else "")
            well += [_object_line("operator", "deployment", "redis-operator", ".status.readyReplicas", "1", extra)]
    return 0 if all(well) else 1


def _network_policies():
    return state.load().get("network_policies", "off")


def _part_line(name):
    pid, known = process.running(name), process.record(name) or {}
    if pid:
        print(f"{name:<24}running  pid {pid:<8}{known['version']:<12}{known['address']}")
    else:
        print(f"{name:<24}not running  (dev/cluster up starts it; log: {process.log_of(name)})")
    return bool(pid)


def _object_line(title, kind, name, field, wanted, extra=""):
    try:
        value = objects.kubectl("get", kind, name, "-n", settings.OPERATOR_NAMESPACE, "-o",
                                f"jsonpath={{{field}}}", "--request-timeout=10s")
    except Failure as failure:
        print(f"{title:<24}unknown  {failure.what}")
        return False
    print(f"{title:<24}{'ready' if value == wanted else 'not ready'}  {extra}".rstrip())
    return value == wanted


def environment():
    """The variables for the tests, by name."""
    foreign = settings.foreign_kubeconfig()
    if foreign:
        version, gate = external.Cluster(foreign).operator()
        kubeconfig, kubectl = foreign, external.kubectl_path()
        # Only a try could tell, so its owner has to.
        network_policies = os.environ.get("REDIS_DEV_NETWORK_POLICIES", "off")
    elif settings.admin_kubeconfig().exists():
        version, gate = state.load().get("operator", "absent"), state.load().get("gate", "off")
        kubeconfig, kubectl = settings.admin_kubeconfig(), objects.kubectl_path()
        network_policies = _network_policies()
    else:
        raise Failure("no cluster is running", "dev/cluster up")
    values = {"REDIS_DEV_KUBECONFIG": kubeconfig, "REDIS_DEV_KUBECTL": kubectl}
    has_1_15 = terraform.Terraform().built()
    if terraform.default() != terraform.wrapper() or has_1_15:
        values["REDIS_DEV_TERRAFORM"] = terraform.default()
    if has_1_15:
        values["REDIS_DEV_TERRAFORM_1_15"] = terraform.wrapper()
    if gobuild.opentofu().built():
        values["REDIS_DEV_TOFU"] = gobuild.opentofu().folder() / "tofu"
    return {**values, "REDIS_DEV_OPERATOR": version, "REDIS_DEV_GATE": gate,
            "REDIS_DEV_NETWORK_POLICIES": network_policies}


def print_environment():
    for name, value in environment().items():
        print(f"export {name}={shlex.quote(str(value))}")


def logs(name):
    """The log of a part; the operator's comes out of the cluster."""
    if name == "operator":
        os.execv(objects.kubectl_path(), [
            "kubectl", f"--kubeconfig={settings.admin_kubeconfig()}", "logs", "-n", settings.OPERATOR_NAMESPACE,
            "deployment/redis-operator", "--tail=-1"])
    names = (*parts.NAMES, parts.NETWORK_POLICIES)
    if name not in names:
        raise Failure(f"there is no part {name!r}", f"one of: {', '.join(names)}, operator")
    if not process.log_of(name).exists():
        raise Failure(f"{name} has no log yet",
                      "dev/cluster up" + (" --network-policies" if name == parts.NETWORK_POLICIES else ""))
    subprocess.run(["cat", str(process.log_of(name))], check=False)
