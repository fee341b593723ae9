"""The command line of bench/run: what is measured, in which order, and the goals."""
import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from devcluster import cache, gobuild, settings, terraform
from devcluster.report import Failure, say, step

from . import creates, event, objects, place, rollouts
from .apiserver import ApiServer
from .cli import BINARY, Cli, Folder
from .plugin import Core
from .table import Table, mebibytes, milliseconds, seconds

HELP = """\
Measures the provider against the echo provider (bench/echo.rs: same schema, same states, does nothing) and prints a
table. Then makes an instance of each topology, by the provider and by kubectl with the operator alone, and prints how long
until it serves; then rolls replicated sets while applications write, by the provider and by the operator, and prints a third.
Builds what it needs; starts an API server of its own; the last row of the first table and the other two use the cluster of
dev/cluster, if it is up (10 min each; without --quick), and should have it for themselves. Times are the best of several
rounds, taken in turns (of creates: of one); CPU is of the command with all its providers.
"""


@dataclasses.dataclass
class Size:
    """How much is measured."""

    plan: int = 1000
    apply: int = 200
    rounds: int = 3
    starts: int = 50
    memory: int = 100
    refresh: int = 200
    events: int = 3


QUICK = Size(plan=200, apply=50, rounds=2, starts=20, events=1)


def main(arguments):
    """Measures and prints; the exit code is 0 also when a goal is missed."""
    parser = argparse.ArgumentParser(prog="bench/run", description=HELP,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller numbers, fewer rounds, Terraform only")
    parser.add_argument("--keep", action="store_true", help="keep the folder with configurations and logs")
    parser.add_argument("--only", choices=("speed", "creates", "rollouts"), help="one of the three tables")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often plan, apply and create are repeated")
    chosen = parser.parse_args(arguments)
    size = QUICK if chosen.quick else Size()
    size = dataclasses.replace(size, rounds=chosen.rounds or size.rounds)
    # However it is ended, its API server must not stay behind.
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.default_int_handler)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="redis-bench-")).resolve()
    try:
        binaries = _build(folder)
        if chosen.only in (None, "speed"):
            print(Bench(folder, size, chosen.quick, *binaries).run())
        if chosen.only in (None, "creates") and not chosen.quick:
            print(_on_the_cluster("creates", folder, binaries[0], creates.table, rounds=chosen.rounds or 1))
        if chosen.only in (None, "rollouts") and not chosen.quick:
            print(_on_the_cluster("rollouts", folder, binaries[0], rollouts.table))
        return 0
    except Failure as failure:
        say(failure.text())
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if chosen.keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _build(folder):
    """Ours and echo, each alone in a folder under the name that core looks for."""
    with step("building the provider and its echo (release)"):
        done = subprocess.run(["cargo", "build", "--release", "--features", "bench", "--bins"],
                              cwd=settings.REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure("cargo build failed:\n" + done.stderr[-4000:], "mend what it says")
    metadata = subprocess.run(["cargo", "metadata", "--format-version=1", "--no-deps"], cwd=settings.REPOSITORY,
                              capture_output=True, text=True, check=True)
    built = pathlib.Path(json.loads(metadata.stdout)["target_directory"]) / "release"
    copies = []
    for name, path in (("ours", built / BINARY), ("echo", built / "echo")):
        (folder / "bin" / name).mkdir(parents=True)
        copies.append(pathlib.Path(shutil.copy(path, folder / "bin" / name / BINARY)))
    return copies


def _on_the_cluster(what, folder, provider, table, **how):
    kubeconfig = place.available()
    if kubeconfig is None:
        return f"\n{what}: not measured, no cluster with an operator is up"
    load = os.getloadavg()[0]
    with step(what):
        text = table(kubeconfig, folder, Cli("terraform", terraform.default()), provider, **how).text()
    return f"\n{text}\n\nload {load:.1f} before"


class Bench:
    """One run: fills the table row by row."""

    def __init__(self, folder, size, quick, ours, echo):
        self.folder, self.size, self.ours, self.echo = folder, size, ours, echo
        self.terraform = Cli("terraform", terraform.default())
        self.clis = [self.terraform] if quick else [self.terraform, Cli("tofu", cache.ensure(gobuild.opentofu()) / "tofu")]
        self.table = Table()
        self.server = None
        self.base = None
        self.base_objects = None
        self.namespaces = {}

    def run(self):
        load = os.getloadavg()[0]
        began = time.monotonic()
        with step("starts"):
            self.starts()
        with ApiServer(self.folder / "cluster") as self.server:
            with step("the base instance"):
                self.make_base()
            for cli in self.clis:
                with step(f"plans of {self.size.plan} ({cli.name})"):
                    self.plans(cli)
            with step(f"plans of {self.size.plan} terraform_data"):
                self.plan_of_data()
            for cli in self.clis:
                with step(f"applies of {self.size.apply} ({cli.name})"):
                    self.applies(cli)
            with step(f"memory, plan of {self.size.memory}"):
                self.memory()
            with step(f"requests, plan of {self.size.refresh}"):
                self.requests()
        with step("the last event"):
            self.last_event()
        binary = os.stat(self.ours).st_size
        return (f"{self.table.text()}\n\nbinary {mebibytes(binary)}; {os.cpu_count()} CPUs, load {load:.1f} before and "
                f"{os.getloadavg()[0]:.1f} after; {time.monotonic() - began:.0f} s")

    def rounds(self, cli):
        """The goals are judged with Terraform; one round with OpenTofu shows whether it differs."""
        return range(self.size.rounds if cli is self.terraform else 1)

    def starts(self):
        core = Core(self.folder / "core")
        core.start_and_end(self.ours)  # the first is not warm
        taken = [core.start_and_end(self.ours) for _ in range(self.size.starts)]
        for column, what, limit, peer in ((0, "start → handshake", 0.015, "31 ms"),
                                          (1, "Shutdown → gone", 0.005, "")):
            values = [pair[column] for pair in taken]
            median = statistics.median(values)
            self.table.add(f"{what}, median of {len(values)}", milliseconds(median), f"best {milliseconds(min(values))}",
                           goal=(limit, f"≤ {limit * 1000:.0f} ms"), figure=median, peer=peer)

    def make_base(self):
        """One instance that the provider itself applies and refreshes; all others are copies of it."""
        client = self.server.client()
        objects.create_namespace(client, objects.NAMESPACE)
        self.base = Folder(self.folder / "base", self.terraform, self.ours)
        self.base.instances(self.server.kubeconfig, objects.NAMESPACE, 1).apply()
        stateful = objects.stateful_set(objects.NAMESPACE)
        self.base_objects = objects.written(client, objects.NAMESPACE) + [stateful]
        objects.create_stateful_set(client, *stateful)
        self.base.apply("-refresh-only")
        self.base.plan()

    def namespace_of(self, count):
        """A namespace with so many instances in it."""
        if count not in self.namespaces:
            self.namespaces[count] = f"plan-{count}"
            objects.create_copies(self.server, self.base_objects, self.namespaces[count], count)
        return self.namespaces[count]

    def existing(self, name, cli, provider, count):
        """A folder whose state holds so many instances, all as they should be."""
        namespace = self.namespace_of(count)
        folder = Folder(self.folder / name, cli, provider).instances(self.server.kubeconfig, namespace, count)
        return folder.state_like(self.base, namespace, count)

    def plans(self, cli):
        count = self.size.plan
        ours = self.existing(f"plan-{cli.name}-ours", cli, self.ours, count)
        echo = self.existing(f"plan-{cli.name}-echo", cli, self.echo, count)
        taken = [(ours.plan(), echo.plan()) for _ in self.rounds(cli)]
        self.compare(f"plan of {count:,} unchanged, {cli.name}", "echo", taken, 1.2,
                     "11 s" if count == 1000 else "2.3 s" if count == 200 else "")
        mine, theirs = (folder.plan(watched=True).provider_cpu for folder in (ours, echo))
        self.table.add("  of it in the provider", seconds(mine), f"echo {seconds(theirs)}")

    def compare(self, what, other, taken, limit, peer):
        """Two rows for pairs of (ours, other): time and CPU."""
        for field, note in (("seconds", ""), ("cpu", "  the same in CPU time")):
            mine = [getattr(pair[0], field) for pair in taken]
            theirs = [getattr(pair[1], field) for pair in taken]
            ratio = min(mine) / min(theirs)
            spread = max(max(values) / min(values) for values in (mine, theirs)) - 1
            self.table.add(note or what, seconds(min(mine)), f"{other} {seconds(min(theirs))}",
                           f"{ratio:.2f} × (noise {spread:.0%})",
                           goal=None if note else (limit, f"≤ {limit} ×"), figure=ratio, peer="" if note else peer)

    def plan_of_data(self):
        one = Folder(self.folder / "data-one", self.terraform, self.ours).data(1)
        one.apply()
        folder = Folder(self.folder / "data", self.terraform, self.ours).data(self.size.plan)
        taken = folder.state_like(one, "", self.size.plan).plan()
        self.table.add(f"  terraform_data, {self.terraform.name}", "", seconds(taken.seconds), "for information")

    def applies(self, cli):
        count = self.size.apply
        taken = []
        for turn in self.rounds(cli):
            namespace = f"apply-{cli.name}-{turn}"
            objects.create_namespace(self.server.client(), namespace)
            ours = Folder(self.folder / f"{namespace}-ours", cli, self.ours)
            mine = ours.instances(self.server.kubeconfig, namespace, count).apply()
            echo = Folder(self.folder / f"{namespace}-echo", cli, self.echo)
            theirs = echo.instances(self.server.kubeconfig, namespace, count).apply()
            elapsed, cpu = self.kubectl_apply(namespace, f"{namespace}-kubectl")
            theirs.seconds, theirs.cpu = theirs.seconds + elapsed, theirs.cpu + cpu
            taken.append((mine, theirs))
        self.compare(f"apply of {count} without waiting, {cli.name}", "echo + kubectl", taken, 1.3,
                     "4.8 s" if count == 200 else "")

    def kubectl_apply(self, namespace, target):
        """What kubectl takes to write all that the provider wrote there, in one list, into another namespace."""
        client = self.server.client()
        items = [item for _, item in objects.written(client, namespace)]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).replace(f'"{namespace}"', f'"{target}"')
        path = self.folder / f"{target}.json"
        path.write_text(text)
        objects.create_namespace(client, target)
        return self.server.kubectl("apply", "--server-side", "-f", path)

    def memory(self):
        count = self.size.memory
        folder = self.existing("memory", self.terraform, self.ours, count)
        most = folder.plan(watched=True).memory
        self.table.add(f"anonymous memory, plan of {count}", mebibytes(most), "highest seen",
                       goal=(20 * 2**20, "≤ 20 MiB"), figure=most, peer="RSS 42 MiB")

    def requests(self):
        count = self.size.refresh
        folder = self.existing("requests", self.terraform, self.ours, count)
        mark = self.server.audit_mark()
        folder.plan()
        sent = self.server.requests_since(mark)
        discovered = [line for line in sent if _is_discovery(line)]
        self.table.add(f"API requests, refresh of {count}", str(len(sent)), f"{len(discovered)} discovery, openapi",
                       goal=(10, "≤ 10"), figure=len(sent) if not discovered else 11, peer=str(count))

    def last_event(self):
        kubeconfig = place.available()
        if kubeconfig is None:
            self.table.add("last event → response", "not measured", "no cluster with an operator is up")
            return
        taken = [event.seconds_to_answer(kubeconfig, self.folder / f"event-{turn}", self.terraform, self.ours)
                 for turn in range(self.size.events)]
        median = statistics.median(taken)
        self.table.add(f"last event → response, median of {len(taken)}", milliseconds(median),
                       f"best {milliseconds(min(taken))}", goal=(0.1, "≤ 100 ms"), figure=median)


def _is_discovery(line):
    path = line.split(" ", 1)[1].split("?")[0].strip("/")
    # /api, /apis, /api/v1, /apis/GROUP, /apis/GROUP/VERSION and /openapi: nothing of one resource.
    return path.startswith("openapi") or path.count("/") < (2 if path.startswith("api/") else 3)
