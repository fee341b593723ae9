"""An application that writes all the time, with redis-py; run as a program of its own, so that clients do not share a core's
turn in one Python. Prints a line for each write that was acknowledged.

    writer.py write NAME service HOST      keys NAME:0, NAME:1, … through one address, until it is ended
    writer.py write NAME sentinel HOST     the same to whom the sentinels call the master
    writer.py missing HOST                 reads keys and prints those that are not there

The password is in REDISCLI_AUTH.
"""
import itertools
import os
import sys
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

GROUP = "mymaster"
PAUSE = 0.005  # about 150 writes a second leave the machine to the cluster
AT_ONCE = 1000


def _settings():
    # The next write is the retry: what the library would wait in between is not the set's doing.
    return {"password": os.environ["REDISCLI_AUTH"], "socket_timeout": 1, "socket_connect_timeout": 1,
            "retry": Retry(NoBackoff(), 0)}


def _client(kind, host):
    if kind == "service":
        return redis.Redis(host=host, port=6379, **_settings())
    asking = {key: value for key, value in _settings().items() if key != "password"}
    return Sentinel([(host, 26379)], sentinel_kwargs=asking).master_for(GROUP, **_settings())


def write(name, kind, host):
    client = _client(kind, host)
    failure = None
    for number in itertools.count():
        try:
            if client.set(f"{name}:{number}", number):
                print("acknowledged", number, time.time(), flush=True)
                failure = None
        except (redis.RedisError, OSError) as error:
            if str(error) != failure:
                failure = str(error)
                print("failed", time.time(), type(error).__name__, failure.replace("\n", " "), flush=True)
        time.sleep(PAUSE)


def missing(host):
    client = _client("service", host)
    keys = sys.stdin.read().split()
    for begin in range(0, len(keys), AT_ONCE):
        some = keys[begin:begin + AT_ONCE]
        for key, value in zip(some, client.mget(some)):
            if value is None or value.decode() != key.split(":")[1]:
                print(key)


if __name__ == "__main__":
    {"write": write, "missing": missing}[sys.argv[1]](*sys.argv[2:])
