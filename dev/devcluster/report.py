"""What the user sees: one line per long step with its duration, and failures that say what to do."""
import contextlib
import sys
import time


class Failure(Exception):
    """Something the user has to know: what failed, where the log is, what to do."""

    def __init__(self, what, remedy="", log=None):
        super().__init__(what)
        self.what, self.remedy, self.log = what, remedy, log

    def text(self):
        lines = [f"error: {self.what}"]
        if self.log is not None:
            lines.append(f"  log: {self.log}; its last lines:")
            lines += ["    | " + line for line in last_lines(self.log)]
        if self.remedy:
            lines.append(f"  what to do: {self.remedy}")
        return "\n".join(lines)


def last_lines(path, count=12):
    """The end of a log, each line cut so that a flood of JSON stays readable."""
    try:
        with open(path, "rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 20000))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError as error:
        return [f"(not readable: {error.strerror})"]
    return [line[:400] for line in lines[-count:]] or ["(empty)"]


def say(text):
    # Standard error: the output of `env` and `tool` is for the shell alone.
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text):
    """Says what is being done and, when done, how long it took."""
    start = time.monotonic()
    say(f"{text} …")
    yield
    say(f"{text}: done in {time.monotonic() - start:.1f} s")
