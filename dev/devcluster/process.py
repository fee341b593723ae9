"""Starting, watching and ending the processes of the cluster, only ever by the ids recorded at their start."""
import dataclasses
import hashlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from typing import Callable

from . import settings
from .report import Failure


@dataclasses.dataclass
class Part:
    """One process: how it is started, what it reads, and how to know that it serves."""

    name: str
    command: list
    version: str
    address: str
    ready: Callable  # () → bool
    files: list = dataclasses.field(default_factory=list)  # read at start: a change means a restart
    ports: list = dataclasses.field(default_factory=list)  # (address, port) that must be free before
    patience: float = 60

    def log(self):
        return log_of(self.name)

    def fingerprint(self):
        digest = hashlib.sha256(json.dumps([str(word) for word in self.command]).encode())
        for path in self.files:
            digest.update(path.read_bytes())
        return digest.hexdigest()


def log_of(name):
    return settings.logs() / f"{name}.log"


def _record_path(name):
    return settings.run() / "processes" / f"{name}.json"


def record(name):
    """What was recorded when the part was started, or None."""
    try:
        return json.loads(_record_path(name).read_text())
    except (OSError, ValueError):
        return None


def start_time(pid):
    """When the process started (clock ticks since boot), or None if it is gone or only waits to be reaped."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def running(name):
    """The pid of the part if it runs. The start time guards against a pid given to somebody else since."""
    known = record(name)
    if known and start_time(known["pid"]) == known["started"]:
        return known["pid"]
    return None


def ensure(part):
    """Starts the part unless it already runs as wanted; returns whether it was started."""
    if running(part.name):
        if record(part.name)["fingerprint"] == part.fingerprint():
            return False
        stop(part.name)
    _start(part)
    return True


def _check_ports(part):
    """A port taken by somebody else would look like our part answering."""
    for address, port in part.ports:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                raise Failure(
                    f"{part.name} cannot listen on {address}:{port}: {error.strerror}",
                    f"see who does with `ss -ltnp 'sport = :{port}'`; if it is another Kubernetes, "
                    "end it or use it (REDIS_DEV_KUBECONFIG)") from error


def _start(part):
    _check_ports(part)
    part.log().parent.mkdir(parents=True, exist_ok=True)
    _record_path(part.name).parent.mkdir(parents=True, exist_ok=True)
    with open(part.log(), "ab") as log:
        log.write(f"\n--- {time.strftime('%H:%M:%S')} starting: {' '.join(map(str, part.command))}\n".encode())
        log.flush()
        try:
            # A session of its own: Ctrl-C at the terminal ends `up`, not the cluster.
            process = subprocess.Popen(
                [str(word) for word in part.command], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, cwd=settings.run(), env=_environment())
        except OSError as error:
            raise Failure(f"{part.name} could not be started: {error}", "run dev/cluster build") from error
    facts = {"pid": process.pid, "started": start_time(process.pid), "fingerprint": part.fingerprint(),
             "version": part.version, "address": part.address}
    _record_path(part.name).write_text(json.dumps(facts))


def _environment():
    """Where the machine uses a web proxy, the parts still talk to each other and to pods directly."""
    direct = ["127.0.0.1", "localhost", settings.node_address() or "", settings.POD_RANGE, settings.SERVICE_RANGE,
              ".svc", ".cluster.local", os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""]
    value = ",".join(filter(None, direct))
    return {**os.environ, "NO_PROXY": value, "no_proxy": value}


def wait_ready(part):
    """Returns when the part serves; fails when it ends or its patience does."""
    deadline = time.monotonic() + part.patience
    while not part.ready():
        if not running(part.name):
            raise Failure(f"{part.name} ended while starting", "mend what the log says, then dev/cluster up again",
                          part.log())
        if time.monotonic() > deadline:
            raise Failure(f"{part.name} runs but does not answer after {part.patience:.0f} s",
                          "look at the log; dev/cluster down, then up starts afresh", part.log())
        time.sleep(0.05)


def stop(name, grace=10.0):
    """Ends the part and returns only when the process is gone."""
    pid = running(name)
    if pid:
        end_process(pid, record(name)["started"], grace)
    if _record_path(name).exists():
        _record_path(name).unlink()


def end_process(pid, started, grace):
    """Asks the process to end, then forces it; it must be gone before anyone deletes its data."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if start_time(pid) != started:  # the handle is of another process: the id was given away meanwhile
            return
        for sign, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 20.0)):
            signal.pidfd_send_signal(handle, sign)
            if _gone(handle, seconds):
                return
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
    raise Failure(f"process {pid} does not end, not even by SIGKILL", "look at `dmesg`; a reboot may be needed")


def _gone(handle, seconds):
    waiter = select.poll()
    waiter.register(handle, select.POLLIN)
    return bool(waiter.poll(seconds * 1000))
