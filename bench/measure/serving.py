"""Whether an instance serves, in all that the provider claims when apply is back. Asked as applications ask: through the
Services, by redis-py; and each pod for itself."""
import dataclasses
import functools
import importlib
import itertools
import sys

from devcluster.cache import ensure

from .applications import RedisPy

PATIENCE = 1  # seconds for one answer
GROUP = "mymaster"
SLOTS = 16384
NUMBERS = itertools.count()


@dataclasses.dataclass
class Expected:
    """What is to serve. The Services are those of the outputs of that name; None where the shape has none."""

    pods: int
    is_cluster: bool
    password: str
    host: str
    reader_host: str
    sentinel_host: str


class NotYet(Exception):
    """Something does not serve yet."""


def check(expected, pods, services):
    """Raises NotYet, saying what is missing; `pods` and `services` are the objects of the namespace."""
    redis = _redis_py()
    ready = [pod for pod in pods if _is_ready(pod)]
    _want(len(ready) == len(pods) == expected.pods, f"{len(ready)} pods are Ready")
    addresses = {service["metadata"]["name"]: service["spec"]["clusterIP"] for service in services}
    asked = _Asked(redis, expected, addresses, pods)
    try:
        if expected.is_cluster:
            asked.cluster()
        else:
            asked.set()
    except (redis.RedisError, OSError) as error:
        raise NotYet(str(error)) from error


@functools.cache
def _redis_py():
    """It is not among the machine's Python packages."""
    sys.path.append(str(ensure(RedisPy())))
    return importlib.import_module("redis")


def _is_ready(pod):
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _want(is_so, otherwise):
    if not is_so:
        raise NotYet(otherwise)


class _Asked:
    """An instance whose pods are all Ready, being asked."""

    def __init__(self, redis, expected, addresses, pods):
        self._redis, self._expected, self._addresses = redis, expected, addresses
        self._of_sentinels, self._of_redis = [], []
        for pod in pods:
            is_sentinel = pod["metadata"]["labels"].get("redis_setup_type") == "sentinel"
            (self._of_sentinels if is_sentinel else self._of_redis).append(pod["status"]["podIP"])

    def set(self):
        """A master, its replicas and the sentinels: what is written through one Service is read through the other and in each
        pod, and every sentinel names the one pod that is a master."""
        key = self._written(self._through(self._expected.host))
        for client in [self._through(self._expected.reader_host), *map(self._client, self._of_redis)]:
            _want(client.get(key), "a replica has not got what was written")
        masters = [ip for ip in self._of_redis if self._client(ip).info("replication")["role"] == "master"]
        _want(len(masters) == 1, f"masters: {masters}")
        if self._expected.sentinel_host:
            service = self._service(self._expected.sentinel_host)
            for ip in [service, *self._of_sentinels]:
                sentinel = self._client(ip, 26379, password=None)
                named = sentinel.sentinel_get_master_addr_by_name(GROUP)
                _want(named and named[0] == masters[0], f"a sentinel names {named}")

    def cluster(self):
        """Every node calls the cluster whole, and every follower has its leader."""
        services = [self._expected.host, self._expected.reader_host]
        for client in [*map(self._through, services), *map(self._client, self._of_redis)]:
            told = client.execute_command("CLUSTER INFO")
            found = told["cluster_state"], int(told["cluster_slots_ok"]), int(told["cluster_known_nodes"])
            _want(found == ("ok", SLOTS, self._expected.pods), f"a node says {found}")
            _want(client.info("replication").get("master_link_status", "up") == "up", "a follower has no leader")
        cluster = self._redis.RedisCluster(self._service(self._expected.host), 6379, password=self._expected.password)
        try:
            _want(cluster.get(self._written(cluster)), "what was written is not read")
        finally:
            cluster.close()

    def _written(self, client):
        key = f"bench:{next(NUMBERS)}"
        client.set(key, "yes")
        return key

    def _through(self, service):
        return self._client(self._service(service))

    def _service(self, name):
        _want(name in self._addresses, f"there is no Service {name}")
        return self._addresses[name]

    def _client(self, host, port=6379, **how):
        settings = {"password": self._expected.password, "decode_responses": True, "socket_timeout": PATIENCE,
                    "socket_connect_timeout": PATIENCE, **how}
        return self._redis.Redis(host, port, **settings)
