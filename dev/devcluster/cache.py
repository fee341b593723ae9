"""The cache of built parts: each is built once per content of its recipe, so a change rebuilds just that part."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import subprocess

from . import folders, settings
from .report import Failure, step


class Recipe:
    """Something that can be built: subclasses give a name, a version, what it depends on, and build()."""

    name = ""
    version = ""

    def inputs(self):
        """Texts and paths whose content decides whether it has to be built anew."""
        return []

    def build(self, folder, log):
        raise NotImplementedError

    def key(self):
        digest = hashlib.sha256()
        for item in [self.version, *self.inputs()]:
            content = item.read_bytes() if isinstance(item, pathlib.Path) else str(item).encode()
            digest.update(len(content).to_bytes(8, "big") + content)
        return digest.hexdigest()[:12]

    def folder(self):
        return settings.cache() / "built" / f"{self.name}-{self.version}-{self.key()}"

    def built(self):
        return self.folder().is_dir()


def ensure(recipe):
    """The folder of the built recipe; builds it first when it is not there."""
    if recipe.built():
        return recipe.folder()
    with lock(recipe.name):
        if not recipe.built():  # another process may have built it while we waited
            _build(recipe)
    return recipe.folder()


def _build(recipe):
    target = recipe.folder()
    unfinished = target.with_name(target.name + ".unfinished")
    folders.remove(unfinished)
    unfinished.mkdir(parents=True)
    log = settings.cache() / "build-logs" / f"{recipe.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    with step(f"building {recipe.name} {recipe.version} (log: {log})"):
        recipe.build(unfinished, log)
    # The rename makes it all or nothing: an interrupted build leaves only the unfinished folder.
    unfinished.rename(target)


def run_logged(command, log, what, remedy="", cwd=None, env=None, nice=True):
    """Runs a build command with its output in the log; other work on the machine goes first."""
    if nice:
        command = ["nice", "-n", "5", *command]
    with open(log, "ab") as output:
        output.write(("$ " + " ".join(map(str, command)) + "\n").encode())
        output.flush()
        try:
            code = subprocess.call(
                [str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        except FileNotFoundError as error:
            raise Failure(f"{what}: {error.filename} is missing", remedy) from error
    if code != 0:
        raise Failure(f"{what} failed (exit code {code})", remedy or "read the log, mend the cause, run it again", log)


@contextlib.contextmanager
def lock(name):
    """Lets one process at a time do a thing; the kernel frees it if that process dies."""
    path = settings.cache() / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
