"""On the real cluster: how long a create takes until apply is back; and how long the operator takes by itself until the same
objects serve that kubectl has applied."""
import json
import time

from devcluster.report import Failure

from . import serving
from .place import SENTINELS, Namespace, Place
from .table import Table, seconds

HEAD = ("create, one after the other", "apply is back", "kubectl apply until it serves", "result", "goal", "")
FACTOR, REST = 1.1, 2.0  # goal: so many times the operator's own time, and so many seconds for CLI and probes
POLL = 0.1  # seconds between two looks
PATIENCE = 600  # seconds until the operator must be done

TOPOLOGIES = {  # its arguments, how many pods it has
    "standalone": ("", 1),
    "replication of 3": ("replica = { count = 2 }", 3),
    "replication of 3, 3 sentinels": (f"replica = {{ count = 2 }}\n  {SENTINELS}", 6),
    "cluster of 3, a follower each": ('deployment_mode = "cluster"', 6),
}
OF_THE_SERVER = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "ownerReferences",
                 "finalizers")
OF_ONE_RUN = ("terraform-provider-redis/news", "terraform-provider-redis/unfinished")


def table(kubeconfig, folder, cli, provider, rounds=1, topologies=tuple(TOPOLOGIES)):
    """Each topology made by the provider and then by the operator alone, each time with nothing beside it."""
    result = Table(HEAD)
    for number, name in enumerate(topologies):
        taken = [_both(kubeconfig, folder / f"create-{number}-{turn}", cli, provider, name) for turn in range(rounds)]
        ours, floor = (min(pair[column] for pair in taken) for column in range(2))
        is_well = ours <= FACTOR * floor + REST
        result.row(name, seconds(ours), seconds(floor), f"{ours / floor:.2f} ×", f"≤ {FACTOR} × + {REST:.0f} s",
                   "ok" if is_well else "MISSED")
    return result


def _both(kubeconfig, folder, cli, provider, name):
    """Seconds until apply is back, and until what it wrote serves where kubectl has applied it."""
    arguments, pods = TOPOLOGIES[name]
    with Place(kubeconfig, folder, cli, provider) as place:
        place.write(f'persistence = {{ size = "64Mi" }}\n  {arguments}')
        ours = place.apply().seconds
        items = [_written(place.namespace, one) for one in place.values()["objects"]]
        services = {output: place.service(output) for output in ("host", "reader_host", "sentinel_host")}
        expected = serving.Expected(pods=pods, is_cluster="cluster" in name, password=place.password(), **services)
        # What the provider says of its own instance, this sees, too; otherwise the two times are of different things.
        _Floor(place.namespace, expected).wait(time.monotonic() + 30)
    with Namespace(kubeconfig, f"{folder.name}-floor") as namespace:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        path = folder / "written.json"
        path.write_text(text.replace(place.namespace.name, namespace.name))
        floor = _Floor(namespace, expected)
        began = time.monotonic()
        namespace.kubectl("apply", "--server-side", "-f", path)
        return ours, floor.wait(began + PATIENCE) - began


def _written(namespace, reference):
    """An object as the provider wrote it."""
    item = json.loads(namespace.kubectl("get", reference["kind"], reference["name"], "-o", "json"))
    item.pop("status", None)
    for field in OF_THE_SERVER:
        item["metadata"].pop(field, None)
    for annotation in OF_ONE_RUN:
        item["metadata"].get("annotations", {}).pop(annotation, None)
    return item


class _Floor:
    """Looks at a namespace until what it holds serves."""

    def __init__(self, namespace, expected):
        self._expected = expected
        self._pods, self._services = (namespace.watch(f"api/v1/…/{kind}") for kind in ("pods", "services"))

    def wait(self, deadline):
        """When it served, by the monotonic clock."""
        try:
            while True:
                try:
                    serving.check(self._expected, self._pods.objects(), self._services.objects())
                    return time.monotonic()
                except serving.NotYet as why:
                    if time.monotonic() > deadline:
                        raise Failure(f"what the provider wrote does not serve: {why}", "is the operator well?") from why
                time.sleep(POLL)
        finally:
            for watch in (self._pods, self._services):
                watch.end()
