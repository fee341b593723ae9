"""The objects of many instances: one is applied by the provider, the others are copies of it under other names."""
import concurrent.futures
import json
import pathlib

NAMESPACE, NAME = "base-namespace", "base-instance"
REDIS = "/apis/redis.redis.opstreelabs.in/v1beta2"
STATEFUL_SET = json.loads((pathlib.Path(__file__).parent / "statefulset.json").read_text())
# What the operator keeps in an annotation, 2.4 kB of it.
LAST_APPLIED = "x" * 2400
AT_ONCE = 4


def copy(text, namespace, number):
    """The text of one instance as that of another. All names are functions of these two."""
    return text.replace(NAMESPACE, namespace).replace(NAME, name(number))


def name(number):
    return f"redis-{number:04}"


def create_namespace(client, namespace):
    client.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})


def written(client, namespace):
    """(path, object) of everything that the provider wrote there, without what the server added."""
    found = []
    for path, api, kind in ((f"/api/v1/namespaces/{namespace}/secrets", "v1", "Secret"),
                            (f"/api/v1/namespaces/{namespace}/configmaps", "v1", "ConfigMap"),
                            (f"{REDIS}/namespaces/{namespace}/redis", REDIS.removeprefix("/apis/"), "Redis")):
        for item in client.request("GET", path)[1]["items"]:
            for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"):
                item["metadata"].pop(field, None)
            item.pop("status", None)
            found.append((path, {"apiVersion": api, "kind": kind, **item}))
    return found


def stateful_set(namespace):
    """(path, object) of the StatefulSet that the operator would make of the base instance."""
    text = json.dumps(STATEFUL_SET).replace("LAST-APPLIED", LAST_APPLIED)
    text = text.replace("NAMESPACE", namespace).replace("NAME", NAME)
    return f"/apis/apps/v1/namespaces/{namespace}/statefulsets", json.loads(text)


def create_stateful_set(client, path, stateful):
    """With its status, which only a request of its own can set."""
    made = client.request("POST", path, stateful)[1]
    made["status"] = stateful["status"]
    client.request("PUT", f"{path}/{stateful['metadata']['name']}/status", made)


def create_copies(server, base, namespace, count):
    """Makes the namespace with `count` copies of the base's objects in it."""
    create_namespace(server.client(), namespace)
    text = json.dumps(base)

    def create(numbers):
        client = server.client()
        for number in numbers:
            for path, item in json.loads(copy(text, namespace, number)):
                if item["kind"] == "StatefulSet":
                    create_stateful_set(client, path, item)
                else:
                    client.request("POST", path, item)

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(create, range(first, count, AT_ONCE)) for first in range(AT_ONCE)]:
            done.result()
