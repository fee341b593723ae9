"""On the real cluster: how long after the event that makes Redis ready the provider answers."""
import json
import os
import subprocess
import threading
import time
from datetime import datetime

from devcluster import objects as cluster
from devcluster import settings
from devcluster.report import Failure

from .cli import BINARY, SOURCE, Folder

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
  name             = "bench"
  namespace        = "{namespace}"
  create_namespace = true
  persistence      = {{ enabled = false }}
  master = {{ resources = {{
    requests = {{ cpu = "10m", memory = "32Mi" }}
    limits   = {{ cpu = "200m", memory = "128Mi" }}
  }} }}
}}
"""
HASH = "terraform-provider-redis/spec-hash"


def available():
    """The kubeconfig of a cluster with an operator, or None."""
    kubeconfig = settings.foreign_kubeconfig() or settings.admin_kubeconfig()
    if not kubeconfig.exists():
        return None
    deployment = _kubectl(kubeconfig, "get", "deployment", "-A", "-o", "name")
    return kubeconfig if "redis-operator" in deployment.stdout else None


def seconds_to_answer(kubeconfig, folder, cli, provider):
    """From our own sight of the last deciding event to the provider's answer, by the clock of the machine."""
    namespace = f"bench-{os.getpid()}-{folder.name}"
    folder.mkdir(parents=True)
    log = folder / "provider.log"
    wrapper = folder / BINARY
    # Core would stamp the provider's lines anew, in milliseconds.
    wrapper.write_text(f"#!/bin/sh\nTF_LOG_PROVIDER_REDIS=debug exec '{provider}' 2>>'{log}'\n")
    wrapper.chmod(0o755)
    run = Folder(folder / "configuration", cli, wrapper)
    (run.path / "main.tf").write_text(
        CONFIGURATION.format(source=SOURCE, kubeconfig=kubeconfig, namespace=namespace))
    _kubectl(kubeconfig, "create", "namespace", namespace, check=True)
    watches = [Watch(kubeconfig, f"/apis/apps/v1/namespaces/{namespace}/statefulsets", _rolled_out),
               Watch(kubeconfig, f"/api/v1/namespaces/{namespace}/services", _seen_by_operator)]
    try:
        run.apply()
        decided = [watch.end() for watch in watches]
        if None in decided:
            raise Failure("the bench saw no event that makes Redis ready", "run it again")
        return _answered(log) - max(decided)
    finally:
        for watch in watches:
            watch.end()
        run.destroy()
        _kubectl(kubeconfig, "delete", "namespace", namespace, "--wait=false")


def _rolled_out(stateful):
    status = stateful.get("status", {})
    return (status.get("readyReplicas") == 1 and status.get("updatedReplicas") == 1
            and status.get("observedGeneration") == stateful["metadata"]["generation"]
            and status.get("currentRevision") == status.get("updateRevision"))


def _seen_by_operator(service):
    return service["metadata"]["name"] == "bench" and HASH in service["metadata"].get("annotations", {})


def _answered(log):
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        if entry["@message"] == "answered" and entry.get("tf_rpc") == "ApplyResourceChange":
            return datetime.fromisoformat(entry["@timestamp"]).timestamp()
    raise Failure("the provider's log has no answer of ApplyResourceChange", "", log)


class Watch:
    """A watch of our own that remembers when it first saw an object fulfil a condition."""

    def __init__(self, kubeconfig, path, condition):
        self._condition, self._seen = condition, None
        self._process = subprocess.Popen(
            [str(cluster.kubectl_path()), f"--kubeconfig={kubeconfig}", "get", "--raw", f"{path}?watch=1"],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            now = time.time()
            if self._seen is None and self._condition(json.loads(line)["object"]):
                self._seen = now

    def end(self):
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        return self._seen


def _kubectl(kubeconfig, *arguments, check=False):
    return subprocess.run([str(cluster.kubectl_path()), f"--kubeconfig={kubeconfig}", *arguments],
                          capture_output=True, text=True, check=check)
