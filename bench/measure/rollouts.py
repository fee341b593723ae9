"""On the real cluster: a changed argument rolls all pods of a set while applications write, by the provider and by the
operator."""
import base64
import json
import os
import subprocess
import time

from devcluster import objects as cluster
from devcluster.report import Failure

from .applications import Application
from .cli import SOURCE, Folder
from .table import Table

HEAD = ("rollout of all pods, while applications write", "by", "client", "acknowledged", "lost", "longest without",
        "took", "goal", "")
LONGEST = 2.0  # seconds without a successful write
AFTER = 30  # seconds that applications go on: the operator, let go, looks at the set only then

SETS = {"replication of 3": "", "replication of 3, 3 sentinels": 'deployment_mode = "sentinel"'}
CONFIGURATION = """\
terraform {{
  required_providers {{
    redis = {{ source = "{source}" }}
  }}
}}
provider "redis" {{
  config_path = "{kubeconfig}"
}}
resource "redis_k8s_instance" "it" {{
  name             = "roll"
  namespace        = "{namespace}"
  {mode}
  replica          = {{ count = 2 }}
  persistence      = {{ size = "64Mi" }}
  security_context = {{ run_as_user = 1000 }}
  env              = {{ ROLLED = "{change}" }}
  update_strategy  = {{ guarded = {guarded} }}
  timeouts         = {{ create = "5m", update = "8m", delete = "3m" }}
  master = {{ resources = {{
    requests = {{ cpu = "10m", memory = "32Mi" }}
    limits   = {{ cpu = "200m", memory = "128Mi" }}
  }} }}
  {sentinel}
}}
"""
SENTINEL = """\
sentinel = { resources = {
    requests = { cpu = "10m", memory = "32Mi" }
    limits   = { cpu = "200m", memory = "128Mi" }
  } }"""


def table(kubeconfig, folder, cli, provider, sets=SETS):
    """Each set rolled by the provider and then by the operator."""
    result = Table(HEAD)
    for number, name in enumerate(sets):
        one = RolledSet(kubeconfig, folder / f"rollout-{number}", cli, provider, SETS[name])
        try:
            one.make()
            for change, (by, guarded) in enumerate((("the provider", True), ("the operator", False)), start=1):
                took, had = one.roll(change, guarded)
                for client, what in had.items():
                    is_well = what.lost == 0 and what.longest <= LONGEST
                    result.row(name, by, client, str(what.acknowledged), str(what.lost), f"{what.longest:.2f} s", took,
                               f"0 lost, ≤ {LONGEST:.0f} s" if guarded else "",
                               ("ok" if is_well else "MISSED") if guarded else "")
        finally:
            one.destroy()
    return result


class RolledSet:
    """A set in a namespace of its own."""

    def __init__(self, kubeconfig, folder, cli, provider, mode):
        self.kubeconfig, self.mode = kubeconfig, mode
        self.namespace = f"bench-{os.getpid()}-{folder.name}"
        self.folder = Folder(folder, cli, provider)

    def write(self, change, guarded):
        """The configuration; `change` stands in the environment of all pods, sentinels' too."""
        (self.folder.path / "main.tf").write_text(CONFIGURATION.format(
            source=SOURCE, kubeconfig=self.kubeconfig, namespace=self.namespace, change=change, mode=self.mode,
            guarded=str(guarded).lower(), sentinel=SENTINEL if self.mode else ""))

    def make(self):
        self.kubectl("create", "namespace", self.namespace)
        self.write(0, True)
        self.folder.apply()

    def roll(self, change, guarded):
        """How long the apply took, and what each application had of it."""
        applications = self.applications(change)
        try:
            self.write(change, guarded)
            began = time.monotonic()
            try:
                self.folder.apply()
                took = f"{time.monotonic() - began:.0f} s"
            except Failure:
                if guarded:
                    raise
                took = f"failed after {time.monotonic() - began:.0f} s"
            time.sleep(AFTER)
            host = self.address("host")
            return took, {one.kind: one.end(host) for one in applications}
        finally:
            for one in applications:
                one.stop()

    def applications(self, change):
        """One for each way to find the master, already writing."""
        values = self.values()
        secret = values["auth_secret"]
        held = json.loads(self.kubectl("get", "secret", secret["name"], "-o", "json"))
        password = base64.b64decode(held["data"][secret["key"]]).decode()
        ways = {"service": "host", "sentinel": "sentinel_host"}
        return [Application(f"{kind}-{change}", kind, self.address(output), password, self.folder.path)
                for kind, output in ways.items() if values[output]]

    def values(self):
        state = json.loads((self.folder.path / "terraform.tfstate").read_text())
        return state["resources"][0]["instances"][0]["attributes"]

    def address(self, output):
        """Names of Services are known in pods only; their addresses lead there from the node, too."""
        service = self.values()[output].split(".")[0]
        return self.kubectl("get", "service", service, "-o", "jsonpath={.spec.clusterIP}")

    def kubectl(self, *arguments):
        done = subprocess.run(
            [str(cluster.kubectl_path()), f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *arguments],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"kubectl {' '.join(arguments)}: {done.stderr.strip()[-2000:]}", "")
        return done.stdout

    def destroy(self):
        try:
            self.folder.destroy()
        finally:
            self.kubectl("delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found")
