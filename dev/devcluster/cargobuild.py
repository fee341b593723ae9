"""Programs from crates.io that `make lint` needs, pinned and built into the cache."""
from . import folders, settings
from .cache import Recipe, run_logged


class CargoDeny(Recipe):
    """Checks licences, sources, duplicates and advisories of the crates we depend on."""

    name = "cargo-deny"
    version = "0.20.2"

    def inputs(self):
        return ["cargo install --locked"]

    def build(self, folder, log):
        target = folder / "target"
        # In the work tree, so that rust-toolchain.toml decides which compiler builds it.
        run_logged(
            ["cargo", "install", "--locked", "--version", self.version, "--root", folder, "--target-dir", target,
             self.name],
            log, f"cargo install {self.name}", "install Rust by rustup; the crates' registry must be reachable",
            cwd=settings.REPOSITORY)
        folders.remove(target)
