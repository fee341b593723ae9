"""On the real cluster: how long after the event that makes Redis ready the provider answers."""
import json
import time
from datetime import datetime

from devcluster.report import Failure

from .cli import BINARY
from .place import Place

HASH = "terraform-provider-redis/spec-hash"


def seconds_to_answer(kubeconfig, folder, cli, provider):
    """From our own sight of the last deciding event to the provider's answer, by the clock of the machine."""
    log = folder.with_suffix(".log")
    wrapper = folder.with_suffix(".bin") / BINARY
    wrapper.parent.mkdir(parents=True)
    # Core would stamp the provider's lines anew, in milliseconds.
    wrapper.write_text(f"#!/bin/sh\nTF_LOG_PROVIDER_REDIS=debug exec '{provider}' 2>>'{log}'\n")
    wrapper.chmod(0o755)
    with Place(kubeconfig, folder, cli, wrapper) as place:
        place.write("persistence = { enabled = false }")
        deciding = [Deciding(place.namespace, "apis/apps/v1/…/statefulsets", _rolled_out),
                    Deciding(place.namespace, "api/v1/…/services", _seen_by_operator)]
        try:
            place.apply()
        finally:
            for one in deciding:
                one.watch.end()
        decided = [one.at for one in deciding]
        if None in decided:
            raise Failure("the bench saw no event that makes Redis ready", "run it again")
        return _answered(log) - max(decided)


class Deciding:
    """The event after which a condition is fulfilled."""

    def __init__(self, namespace, path, condition):
        self._condition, self.at = condition, None
        self.watch = namespace.watch(path, seen=self._see)

    def _see(self, item):
        if self.at is None and self._condition(item):
            self.at = time.time()


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
