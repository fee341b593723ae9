"""The Redis operator: where its source is, how it is built, and the image it runs from."""
import os
import pathlib
import shutil
import subprocess
import tarfile

from . import folders, gobuild, image, settings
from .cache import Recipe, run_logged
from .report import Failure

MODULE = "github.com/OT-CONTAINER-KIT/redis-operator"


class Operator(Recipe):
    """One version of the operator: program, custom resource definitions, role and image."""

    name = "operator"

    def __init__(self, version):
        self.version = version
        self.source = find_source(version)

    def inputs(self):
        origin = self.source if self.source and self.source.is_file() else str(self.source or MODULE)
        return [origin, "image layout 1"]

    def build(self, folder, log):
        source = self._unpacked(folder / "source", log)
        gobuild.go_build(source, "./cmd", folder / "operator", log)
        shutil.copytree(source / "config" / "crd" / "bases", folder / "crds")
        shutil.copy(source / "config" / "rbac" / "role.yaml", folder / "role.yaml")
        folders.remove(folder / "source")
        layer = folder / "layer.tar"
        image.write_layer(layer, {"operator": (folder / "operator", 0o755)})
        config = {"User": "65532", "WorkingDir": "/", "Entrypoint": ["/operator"]}
        image.write_archive(folder / "image.tar", layer, {image_name(self.version): config})
        layer.unlink()

    def _unpacked(self, folder, log):
        if self.source is None:
            return _module_source(self.version, log)
        if self.source.is_dir():
            return self.source
        folder.mkdir()
        with tarfile.open(self.source) as archive:
            archive.extractall(folder)
        return next(folder.iterdir())


def image_name(version):
    return f"quay.io/opstree/redis-operator:{version}"


def find_source(version):
    """The operator's source: $REDIS_OPERATOR_SRC (a folder of tarballs, a tarball or an unpacked tree),
    else ../shared/stack beside the repository, else None (the Go module is tried then)."""
    chosen = os.environ.get("REDIS_OPERATOR_SRC")
    name = f"redis-operator-{version}"
    if not chosen:
        tarball = settings.REPOSITORY.parent / "shared" / "stack" / f"{name}.tar.xz"
        return tarball if tarball.is_file() else None
    place = pathlib.Path(chosen).resolve()
    candidates = [place / f"{name}.tar.xz", place / f"{name}.tar.gz", place / name]
    found = [path for path in candidates if path.exists()]
    if found:
        return found[0]
    if place.is_file() or (place / "go.mod").is_file():
        return place
    raise Failure(f"REDIS_OPERATOR_SRC={chosen} holds no source of operator {version}",
                  f"point it at an unpacked source tree or a folder with {name}.tar.xz")


def _module_source(version, log):
    """The source out of the Go module cache: `go install` alone would leave out definitions and role."""
    run_logged(["go", "mod", "download", f"{MODULE}@{version}"], log, f"fetching the operator's module {version}",
               "set REDIS_OPERATOR_SRC to its source, or use --no-operator")
    escaped = MODULE.replace("OT-CONTAINER-KIT", "!o!t-!c!o!n!t!a!i!n!e!r-!k!i!t")
    found = subprocess.run(["go", "env", "GOMODCACHE"], check=True, stdout=subprocess.PIPE, text=True)
    return pathlib.Path(found.stdout.strip()) / f"{escaped}@{version}"
