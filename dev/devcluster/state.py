"""What `up` decided and found, kept in one small file so that later calls and `down` know it."""
import json
import pathlib

from . import settings


def _path():
    return settings.run() / "state.json"


def load():
    """The state, empty when there is no cluster.

    boot: the machine's boot id · operator: its version or "absent" · gate: on/off · qps: its rate or None ·
    network_policies: on/off · node_address · kernel_settings, absent_folders and installed (other Kubernetes and
    container runtimes): how the machine was before · mark: what is written into the folders that were absent ·
    applied: digest of the definitions last applied.
    """
    try:
        return json.loads(_path().read_text())
    except FileNotFoundError:
        return {}


def update(**values):
    _path().parent.mkdir(parents=True, exist_ok=True)
    unfinished = _path().with_suffix(".new")
    unfinished.write_text(json.dumps({**load(), **values}, indent=2))
    unfinished.rename(_path())  # never half a file, even if we are killed


def boot():
    """Differs after each restart of the machine."""
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
