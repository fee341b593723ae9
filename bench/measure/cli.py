"""Runs Terraform and OpenTofu in folders of their own, and measures what a command takes."""
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import threading
import time

from devcluster.report import Failure, last_lines

from . import objects

SOURCE = "redis-k8s/redis"
REGISTRIES = ("registry.terraform.io", "registry.opentofu.org")
BINARY = "terraform-provider-redis"
SAMPLING = 0.05  # seconds between two looks at a provider's memory
TURNS_PER_SEARCH = 3  # new providers are looked for less often: it costs more

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
{body}}}
"""
INSTANCES = """\
  count     = {count}
  name      = {name}
  namespace = "{namespace}"
  wait      = {{ enabled = false }}
"""
DATA = """\
resource "terraform_data" "it" {{
  count = {count}
  input = "the same"
}}
"""


def configuration(kubeconfig, body):
    """A file with one resource, of that body."""
    return CONFIGURATION.format(source=SOURCE, kubeconfig=kubeconfig, body=body)


@dataclasses.dataclass
class Cli:
    """Terraform or OpenTofu."""

    name: str
    path: pathlib.Path

    def registry(self):
        return REGISTRIES[1] if self.name == "tofu" else REGISTRIES[0]


@dataclasses.dataclass
class Taken:
    """What a command took."""

    seconds: float
    cpu: float  # of the command and all providers it started
    memory: int = 0  # most anonymous memory of a provider, in bytes; 0 where nobody watched
    provider_cpu: float = 0  # of the providers alone; likewise


class Folder:
    """A configuration with its state, and the provider it runs with."""

    def __init__(self, path, cli, provider):
        path.mkdir(parents=True)
        self.path, self.cli, self.provider = path, cli, provider
        overrides = "".join(f'    "{registry}/{SOURCE}" = "{provider.parent}"\n' for registry in REGISTRIES)
        (path / "cli.tfrc").write_text(f"provider_installation {{\n  dev_overrides {{\n{overrides}  }}\n  direct {{}}\n}}\n")

    def instances(self, kubeconfig, namespace, count):
        """The configuration of `count` instances. (The base instance is one that `objects` can copy.)"""
        name = f'"{objects.NAME}"' if namespace == objects.NAMESPACE else 'format("redis-%04d", count.index)'
        body = INSTANCES.format(count=count, name=name, namespace=namespace)
        (self.path / "main.tf").write_text(configuration(kubeconfig, body))
        return self

    def data(self, count):
        (self.path / "main.tf").write_text(DATA.format(count=count))
        return self

    def state_like(self, base, namespace, count):
        """The state of `count` copies of the one resource in the state of `base`."""
        state = json.loads((base.path / "terraform.tfstate").read_text())
        resource = state["resources"][0]
        one = json.dumps(resource["instances"][0])
        resource["instances"] = [
            {**json.loads(objects.copy(one, namespace, number)), "index_key": number} for number in range(count)]
        for registry in REGISTRIES:
            resource["provider"] = resource["provider"].replace(registry, self.cli.registry())
        (self.path / "terraform.tfstate").write_text(json.dumps(state))
        return self

    def plan(self, **how):
        """A plan that must find nothing to do."""
        return self._run("plan", "-detailed-exitcode", **how)

    def apply(self, *options, **how):
        return self._run("apply", "-auto-approve", *options, **how)

    def destroy(self):
        return self._run("destroy", "-auto-approve")

    def _run(self, *words, watched=False):
        command = [str(self.cli.path), *words, "-input=false", "-no-color"]
        log = self.path / f"{words[0]}.log"
        began = time.monotonic()
        with open(log, "wb") as output:
            process = subprocess.Popen(command, cwd=self.path, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, env=self._environment())
        watch = Watch(process.pid, self.provider) if watched else None
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        memory, provider_cpu = watch.end() if watch else (0, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Failure(f"{self.cli.name} {' '.join(words)} in {self.path} ended with {process.returncode}:\n"
                          + "\n".join(last_lines(log, 30)), "2 of a plan means that it was not empty")
        return Taken(seconds, usage.ru_utime + usage.ru_stime, memory, provider_cpu)

    def _environment(self):
        kept = {key: value for key, value in os.environ.items() if not re.match("TF_|KUBE|TOFU_", key)}
        return {**kept, "TF_CLI_CONFIG_FILE": str(self.path / "cli.tfrc"), "CHECKPOINT_DISABLE": "1"}


class Watch:
    """Looks at the providers that a command starts until it ends: their anonymous memory and their CPU time."""

    def __init__(self, pid, provider):
        self._pid, self._provider = pid, str(provider)
        self._memory, self._cpu = 0, {}  # CPU by process id
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def end(self):
        """The most memory of any provider, and the CPU time of all."""
        self._ended.set()
        self._thread.join()
        return self._memory, sum(self._cpu.values())

    def _look(self):
        turn = 0
        while not self._ended.wait(SAMPLING):
            found = children(self._pid) if turn % TURNS_PER_SEARCH == 0 else list(self._cpu)
            turn += 1
            for pid in found:
                try:
                    if os.readlink(f"/proc/{pid}/exe") == self._provider:
                        self._memory = max(self._memory, anonymous_memory(pid))
                        self._cpu[pid] = cpu_time(pid)
                except (OSError, IndexError, AttributeError):
                    pass  # it has just ended


def children(pid):
    """Process ids of the children of a process."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text(errors="replace").rpartition(")")[2].split()[1]
        except OSError:
            continue  # it has just ended
        if int(parent) == pid:
            found.append(path.parent.name)
    return found


def anonymous_memory(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous:\s+(\d+) kB", text, re.MULTILINE).group(1)) * 1024


def cpu_time(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
