"""Applications that write to a set while it is rolled, and what they had of it."""
import dataclasses
import os
import pathlib
import subprocess
import sys
import time

from devcluster.cache import Recipe, ensure, run_logged
from devcluster.report import Failure

WRITER = pathlib.Path(__file__).resolve().parent / "writer.py"
FIRST = 30  # seconds until the first write


class RedisPy(Recipe):
    """A folder with redis-py, apart from the machine's Python packages."""

    name = "redis-py"
    version = "8.1.0"

    def build(self, folder, log):
        run_logged([sys.executable, "-m", "pip", "install", "--only-binary=:all:", "--target", folder,
                    f"redis=={self.version}"],
                   log, "pip install redis", "install python3-pip; the Python package index must be reachable")


@dataclasses.dataclass
class Had:
    """What one application had of a roll."""

    acknowledged: int
    lost: int
    longest: float  # seconds without a successful write


class Application:
    """A client that writes from now on until `end`."""

    def __init__(self, name, kind, host, password, folder):
        self.name, self.kind = name, kind
        self._environment = {**os.environ, "PYTHONPATH": str(ensure(RedisPy())), "REDISCLI_AUTH": password,
                             "PYTHONDONTWRITEBYTECODE": "1"}
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as output:
            self._process = subprocess.Popen([sys.executable, str(WRITER), "write", name, kind, host],
                                             stdout=output, stderr=subprocess.STDOUT, env=self._environment)
        self._wait_for_the_first()

    def _wait_for_the_first(self):
        deadline = time.monotonic() + FIRST
        while not self.acknowledged():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.stop()
                raise Failure(f"{self.name} cannot write: {self.log.read_text()[-1000:]}", "is the set well?")
            time.sleep(0.1)

    def acknowledged(self):
        """(number, when) of each write that was acknowledged."""
        lines = (line.split() for line in self.log.read_text().splitlines())
        return [(int(words[1]), float(words[2])) for words in lines if len(words) == 3 and words[0] == "acknowledged"]

    def stop(self):
        self._process.terminate()
        self._process.wait()
        self.ended = time.time()

    def end(self, host):
        """Ends it, and looks through `host` for each key that was acknowledged."""
        self.stop()
        written = self.acknowledged()
        keys = "\n".join(f"{self.name}:{number}" for number, _ in written)
        done = subprocess.run([sys.executable, str(WRITER), "missing", host], input=keys, capture_output=True,
                              text=True, check=False, env=self._environment)
        if done.returncode != 0:
            raise Failure(f"the keys of {self.name} cannot be read: {done.stderr[-1000:]}", "is the set well?")
        times = [when for _, when in written] + [self.ended]
        longest = max(later - earlier for earlier, later in zip(times, times[1:]))
        return Had(len(written), len(done.stdout.split()), longest)
