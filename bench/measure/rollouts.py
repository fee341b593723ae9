"""On the real cluster: a changed argument rolls all pods of a set while applications write, by the provider and by the
operator."""
import time

from devcluster.report import Failure

from .applications import Application
from .place import SENTINELS, Place
from .table import Table

HEAD = ("rollout of all pods, while applications write", "by", "client", "acknowledged", "lost", "longest without",
        "took", "goal", "")
LONGEST = 2.0  # seconds without a successful write
AFTER = 30  # seconds that applications go on: the operator, let go, looks at the set only then

SETS = {"replication of 3": "", "replication of 3, 3 sentinels": SENTINELS}
# `change` stands in the environment of all pods, sentinels' too.
ARGUMENTS = """\
replica          = {{ count = 2 }}
  persistence      = {{ size = "64Mi" }}
  env              = {{ ROLLED = "{change}" }}
  update_strategy  = {{ guarded = {guarded} }}
  {further}"""


def table(kubeconfig, folder, cli, provider, sets=SETS):
    """Each set rolled by the provider and then by the operator."""
    result = Table(HEAD)
    for number, name in enumerate(sets):
        with Place(kubeconfig, folder / f"rollout-{number}", cli, provider) as place:
            _write(place, sets[name], 0, True)
            place.apply()
            for change, (by, guarded) in enumerate((("the provider", True), ("the operator", False)), start=1):
                took, had = _roll(place, sets[name], change, guarded)
                for client, what in had.items():
                    is_well = what.lost == 0 and what.longest <= LONGEST
                    result.row(name, by, client, str(what.acknowledged), str(what.lost), f"{what.longest:.2f} s", took,
                               f"0 lost, ≤ {LONGEST:.0f} s" if guarded else "",
                               ("ok" if is_well else "MISSED") if guarded else "")
    return result


def _write(place, further, change, guarded):
    place.write(ARGUMENTS.format(change=change, guarded=str(guarded).lower(), further=further))


def _roll(place, further, change, guarded):
    """How long the apply took, and what each application had of it."""
    applications = _applications(place, change)
    try:
        _write(place, further, change, guarded)
        began = time.monotonic()
        try:
            place.apply()
            took = f"{time.monotonic() - began:.0f} s"
        except Failure:
            if guarded:
                raise
            took = f"failed after {time.monotonic() - began:.0f} s"
        time.sleep(AFTER)
        host = place.address("host")
        return took, {one.kind: one.end(host) for one in applications}
    finally:
        for one in applications:
            one.stop()


def _applications(place, change):
    """One for each way to find the master, already writing."""
    ways = {"service": "host", "sentinel": "sentinel_host"}
    return [Application(f"{kind}-{change}", kind, place.address(output), place.password(), place.folder.path)
            for kind, output in ways.items() if place.service(output)]
