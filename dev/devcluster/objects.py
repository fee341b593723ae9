"""What lives inside the cluster from the start: storage class, DNS Service, operator."""
import hashlib
import subprocess

from . import cache, configs, folders, gobuild, operator, settings, state
from .report import Failure

APPLY = ("apply", "--server-side", "--force-conflicts", "--field-manager=redis-dev")


def kubectl_path():
    return cache.ensure(gobuild.kubernetes()) / "kubectl"


def kubectl(*arguments, what="kubectl", remedy="look at dev/cluster logs kube-apiserver", log=None):
    """Runs kubectl against our cluster as its administrator; returns what it prints."""
    command = [str(kubectl_path()), f"--kubeconfig={settings.admin_kubeconfig()}", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{what}: {done.stderr.strip()}", remedy, log)
    return done.stdout


def apply_base(node_address):
    """Storage and DNS: as the server fills gaps only, applying again is cheap and mends what was deleted."""
    folder = _rendered(["storage.yaml", "dns.yaml"], configs.values(node_address))
    kubectl(*APPLY, "-f", folder, what="applying storage class and DNS Service")


def apply_operator(node_address, version, gate, qps):
    """The operator's definitions, role and Deployment; another version, gate or rate (None: its own) is swapped in place."""
    built = cache.ensure(operator.Operator(version))
    _apply_definitions(built)
    filling = configs.values(node_address, operator_image=operator.image_name(version),
                             gate="true" if gate == "on" else "false",
                             more_arguments="" if qps is None else f', "--kube-client-qps={qps}"')
    kubectl(*APPLY, "-f", _rendered(["operator.yaml"], filling), what="applying the operator's Deployment")


def _apply_definitions(built):
    """The definitions are 1.6 MB, so they are applied only when others are wanted or one is gone."""
    files = [*sorted((built / "crds").iterdir()), built / "role.yaml"]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    names = [path.stem.replace("redis.redis.opstreelabs.in_", "") for path in (built / "crds").iterdir()]
    wanted = [f"crd/{name}.redis.redis.opstreelabs.in" for name in names]
    there = kubectl("get", *wanted, "clusterrole/manager-role", "--ignore-not-found", "-o", "name").split()
    if state.load().get("applied") == digest and len(there) == len(wanted) + 1:
        return
    arguments = [word for path in files for word in ("-f", path)]
    kubectl(*APPLY, *arguments, what="applying the operator's definitions")
    _wait_definitions(names)
    state.update(applied=digest)


def _wait_definitions(names):
    """A new definition's conditions are null at first, and kubectl fails on a null list instead of waiting; they come
    with the accepted names, in one write."""
    told = "waiting for the operator's definitions"
    for name in names:
        kubectl("wait", f"--for=jsonpath={{.status.acceptedNames.plural}}={name}", "--timeout=30s",
                f"crd/{name}.redis.redis.opstreelabs.in", what=told)
    kubectl("wait", "--for=condition=Established", "--timeout=30s",
            *(f"crd/{name}.redis.redis.opstreelabs.in" for name in names), what=told)


def remove_operator():
    kubectl("delete", "deployment", "redis-operator", "-n", settings.OPERATOR_NAMESPACE, "--ignore-not-found")


def wait_node(patience):
    name = f"node/{settings.NODE_NAME}"
    log = settings.logs() / "kubelet.log"
    for condition in ("create", "condition=Ready"):
        kubectl("wait", f"--for={condition}", name, f"--timeout={patience}s",
                what="the node does not become ready", remedy="look at dev/cluster logs kubelet", log=log)


def wait_operator(patience):
    kubectl("rollout", "status", "deployment/redis-operator", "-n", settings.OPERATOR_NAMESPACE,
            f"--timeout={patience}s", what="the operator does not become ready",
            remedy="look at dev/cluster logs operator and dev/cluster logs kubelet", log=settings.logs() / "kubelet.log")


def _rendered(names, filling):
    folder = settings.run() / "objects" / names[0].removesuffix(".yaml")
    folders.remove(folder)
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(configs.filled(settings.DEV / "objects" / name, filling))
    return folder
