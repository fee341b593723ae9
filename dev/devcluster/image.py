"""Container images without a container engine: one Debian root folder under all the names the operator asks for."""
import hashlib
import io
import json
import os
import pathlib
import tarfile

from . import settings
from .cache import Recipe, run_logged

# To have another program in the images, add its Debian package here (awscli for backups, say).
PACKAGES = ("redis-server", "redis-sentinel", "redis-tools", "prometheus-redis-exporter", "ca-certificates")

# All tags carry Debian's own Redis (7.0.15): enough for tests, which need distinct names, not distinct servers.
REDIS_TAGS = ("v6.2.14", "v7.0.12", "v7.0.15", "v7.1.0")

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class RedisImage(Recipe):
    """Redis, Sentinel, exporter and pause images in one docker-archive."""

    name = "image"
    version = settings.DEBIAN_SUITE

    def inputs(self):
        here = settings.DEV / "image"
        return [here / "entrypoint", here / "customize", PACKAGES, json.dumps(configs(), sort_keys=True)]

    def build(self, folder, log):
        layer = folder / "layer.tar"
        run_logged(
            ["mmdebstrap", "--mode=root", "--variant=apt", "--include=" + ",".join(PACKAGES),
             f"--customize-hook={settings.DEV / 'image' / 'customize'} \"$1\"", settings.DEBIAN_SUITE, layer],
            log, "mmdebstrap (the image's Debian packages)",
            "it needs root and the Debian archive; read the log, then run it again")
        write_archive(folder / "image.tar", layer, configs())
        layer.unlink()


def configs():
    """Image name → container configuration."""
    images = {}
    for tag in REDIS_TAGS:
        images[f"quay.io/opstree/redis:{tag}"] = _redis_config("redis", "/data")
        images[f"quay.io/opstree/redis-sentinel:{tag}"] = _redis_config("sentinel", "/sentinel-data")
    images["quay.io/opstree/redis-exporter:v1.44.0"] = {
        "User": "1000", "Env": [PATH], "Entrypoint": ["prometheus-redis-exporter"]}
    # Does nothing, as root: holds each pod's network, and its shell serves the storage helper pods.
    images[settings.PAUSE_IMAGE] = {"Env": [PATH], "Entrypoint": ["sleep", "infinity"]}
    return images


def _redis_config(flavour, folder):
    # The ports are set here because the operator does not name them to an embedded sentinel.
    return {
        "User": "1000", "WorkingDir": folder, "Entrypoint": ["/usr/local/bin/entrypoint"],
        "Env": [PATH, f"IMAGE_FLAVOUR={flavour}", "REDIS_PORT=6379", "SENTINEL_PORT=26379"]}


def write_archive(path, layer, images):
    """Writes a docker-archive: the layer once, and for each image a configuration that points at it."""
    layer_digest = _sha256(layer)
    manifest, written = [], set()
    with tarfile.open(path, "w") as archive:
        archive.add(layer, "layer.tar")
        for name, config in images.items():
            text = json.dumps({
                "architecture": _architecture(), "os": "linux", "config": config,
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]}}).encode()
            config_name = hashlib.sha256(text).hexdigest() + ".json"
            if config_name not in written:
                _add_bytes(archive, config_name, text)
                written.add(config_name)
            manifest.append({"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]})
        _add_bytes(archive, "manifest.json", json.dumps(manifest).encode())


def write_layer(path, files):
    """Writes a layer with the given files (name in the image → (source path, mode))."""
    with tarfile.open(path, "w") as layer:
        for name, (source, mode) in files.items():
            entry = tarfile.TarInfo(name)
            content = pathlib.Path(source).read_bytes()
            entry.size, entry.mode = len(content), mode
            layer.addfile(entry, io.BytesIO(content))


def _add_bytes(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as source:
        for block in iter(lambda: source.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _architecture():
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
