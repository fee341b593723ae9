"""A cluster that is not ours (REDIS_DEV_KUBECONFIG): only looked at, never changed."""
import json
import shutil
import subprocess

from . import objects
from .report import Failure, say


class Cluster:
    """Answers what is there."""

    def __init__(self, kubeconfig):
        self.kubeconfig = kubeconfig

    def kubectl(self, *arguments):
        command = [str(kubectl_path()), f"--kubeconfig={self.kubeconfig}", "--request-timeout=20s", *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def check(self):
        """`up`: that it answers, and whether definitions and operator are there."""
        answer = self.kubectl("get", "--raw", "/readyz")
        if answer.returncode != 0:
            raise Failure(f"the cluster of REDIS_DEV_KUBECONFIG={self.kubeconfig} does not answer: {answer.stderr.strip()}",
                          "mend the file, or unset the variable to use a cluster of our own")
        version, gate = self.operator()
        definitions = "there" if self.definitions() else "absent"
        say(f"using the cluster of {self.kubeconfig}: definitions {definitions}, operator {version}, gate {gate}")

    def definitions(self):
        return self.kubectl("get", "crd", "redis.redis.redis.opstreelabs.in").returncode == 0

    def operator(self):
        """(version or "absent", on/off) of the operator, known by its image's name."""
        answer = self.kubectl("get", "deployments", "--all-namespaces", "-o", "json")
        items = json.loads(answer.stdout)["items"] if answer.returncode == 0 else []
        for deployment in items:
            for container in deployment["spec"]["template"]["spec"]["containers"]:
                name, _, tag = container["image"].rpartition(":")
                if name.endswith("/redis-operator"):
                    gates = {item["name"]: item.get("value", "") for item in container.get("env", [])}
                    on = "GenerateConfigInInitContainer=true" in gates.get("FEATURE_GATES", "")
                    return tag, "on" if on else "off"
        return "absent", "off"


def kubectl_path():
    """Any kubectl does for looking; ours is built only where there is none."""
    return shutil.which("kubectl") or objects.kubectl_path()
