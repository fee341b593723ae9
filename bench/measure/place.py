"""On the real cluster: a namespace of its own, with a configuration that is applied into it."""
import base64
import json
import os
import subprocess
import threading

from devcluster import objects as cluster
from devcluster import settings
from devcluster.report import Failure

from .cli import Folder, configuration

RESOURCES = """\
resources = {
    requests = { cpu = "10m", memory = "32Mi" }
    limits   = { cpu = "200m", memory = "128Mi" }
  }"""
SENTINELS = f"""\
deployment_mode  = "sentinel"
  sentinel         = {{ {RESOURCES} }}"""
# A small instance; `arguments` are those that make it what it is.
SMALL = """\
  name             = "bench"
  namespace        = "{namespace}"
  security_context = {{ run_as_user = 1000 }}
  timeouts         = {{ create = "8m", update = "8m", delete = "3m" }}
  master           = {{ {resources} }}
  {arguments}
"""


def available():
    """The kubeconfig of a cluster with an operator, or None."""
    kubeconfig = settings.foreign_kubeconfig() or settings.admin_kubeconfig()
    if not kubeconfig.exists():
        return None
    try:
        return kubeconfig if "redis-operator" in kubectl(kubeconfig, "get", "deployment", "-A", "-o", "name") else None
    except Failure:
        return None


def kubectl(kubeconfig, *arguments):
    done = subprocess.run([str(cluster.kubectl_path()), f"--kubeconfig={kubeconfig}", *map(str, arguments)],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"kubectl {' '.join(map(str, arguments))}: {done.stderr.strip()[-2000:]}", "")
    return done.stdout


class Namespace:
    """A namespace, until the end of a `with`."""

    def __init__(self, kubeconfig, name):
        self.kubeconfig, self.name = kubeconfig, f"bench-{os.getpid()}-{name}"

    def __enter__(self):
        kubectl(self.kubeconfig, "create", "namespace", self.name)
        return self

    def __exit__(self, *_):
        self.kubectl("delete", "namespace", self.name, "--ignore-not-found", "--timeout=3m")

    def kubectl(self, *arguments):
        return kubectl(self.kubeconfig, f"--namespace={self.name}", *arguments)

    def watch(self, path, **how):
        """A watch of what lies in it under a path, such as `api/v1/…/pods`."""
        return Watch(self.kubeconfig, "/" + path.replace("…", f"namespaces/{self.name}"), **how)


class Place:
    """A small instance in a namespace of its own, until the end of a `with`."""

    def __init__(self, kubeconfig, folder, cli, provider):
        self.namespace = Namespace(kubeconfig, folder.name)
        self.folder = Folder(folder, cli, provider)

    def __enter__(self):
        self.namespace.__enter__()
        return self

    def __exit__(self, *how):
        try:
            self.folder.destroy()
        finally:
            self.namespace.__exit__(*how)

    def write(self, arguments):
        body = SMALL.format(namespace=self.namespace.name, resources=RESOURCES, arguments=arguments)
        (self.folder.path / "main.tf").write_text(configuration(self.namespace.kubeconfig, body))

    def apply(self):
        return self.folder.apply()

    def values(self):
        """The instance, as the state has it."""
        state = json.loads((self.folder.path / "terraform.tfstate").read_text())
        return state["resources"][0]["instances"][0]["attributes"]

    def service(self, output):
        """The Service whose name is this output, or None."""
        host = self.values()[output]
        return host and host.split(".")[0]

    def address(self, output):
        """Names of Services are known in pods only; their addresses lead there from the node, too."""
        return self.namespace.kubectl("get", "service", self.service(output), "-o", "jsonpath={.spec.clusterIP}")

    def password(self):
        secret = self.values()["auth_secret"]
        held = json.loads(self.namespace.kubectl("get", "secret", secret["name"], "-o", "json"))
        return base64.b64decode(held["data"][secret["key"]]).decode()


class Watch:
    """The objects under a path, followed until `end`; `seen` is called with each as it is now."""

    def __init__(self, kubeconfig, path, seen=lambda _: None):
        self._objects, self._seen = {}, seen
        self._process = subprocess.Popen(
            [str(cluster.kubectl_path()), f"--kubeconfig={kubeconfig}", "get", "--raw", f"{path}?watch=1"],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            event = json.loads(line)
            name = event["object"]["metadata"].get("name")
            if event["type"] == "DELETED":
                self._objects.pop(name, None)
            else:
                self._objects[name] = event["object"]
                self._seen(event["object"])

    def objects(self):
        return list(self._objects.values())

    def end(self):
        self._process.terminate()
        self._process.wait()
        self._thread.join()
