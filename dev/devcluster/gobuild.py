"""Parts built from Go modules that are pinned in dev/go: no container engine or downloaded program is needed."""
import re
import shutil
import subprocess

from . import settings
from .cache import Recipe, run_logged
from .report import Failure

GO_AT_LEAST = (1, 26)


class GoModule(Recipe):
    """Programs of one module, built from the go.mod, go.sum and, if any, Go files in dev/go/FOLDER."""

    def __init__(self, folder, module, programs, link_flags=""):
        self.name = folder
        self.source = settings.DEV / "go" / folder
        self.version = settings.module_version(folder, module)
        self.programs = programs  # file name → package
        self.link_flags = link_flags.replace("VERSION", self.version)

    def inputs(self):
        return [self.source / "go.mod", self.source / "go.sum", *sorted(self.source.glob("*.go")), self.programs,
                self.link_flags]

    def build(self, folder, log):
        for program, package in self.programs.items():
            go_build(self.source, package, folder / program, log, self.link_flags)


def go_build(source, package, output, log, link_flags=""):
    """Static and stripped: the same program then runs on the machine and inside any image."""
    check_go()
    run_logged(
        ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w{link_flags}", "-o", output, package],
        log, f"go build {package}", cwd=source, env={"CGO_ENABLED": "0", "GOWORK": "off"})


def check_go():
    """The Go on PATH must be new enough for all parts."""
    remedy = "install Go 1.26 or newer (go.dev/dl) and put it on PATH"
    if not shutil.which("go"):
        raise Failure("go is not on PATH; the parts of the cluster are built from Go modules", remedy)
    text = subprocess.run(["go", "env", "GOVERSION"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", text)
    if found and tuple(map(int, found.groups())) < GO_AT_LEAST:
        raise Failure(f"{text} is too old for the parts of the cluster", remedy)


def kubernetes():
    names = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
    version = "k8s.io/component-base/version"
    minor = settings.module_version("kubernetes", "k8s.io/kubernetes").split(".")[1]
    # Without these flags every component reports v0.0.0.
    flags = f" -X {version}.gitVersion=VERSION -X {version}.gitMajor=1 -X {version}.gitMinor={minor}"
    return GoModule("kubernetes", "k8s.io/kubernetes", {name: f"k8s.io/kubernetes/cmd/{name}" for name in names}, flags)


def etcd():
    return GoModule("etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"})


def coredns():
    return GoModule("coredns", "github.com/coredns/coredns", {"coredns": "github.com/coredns/coredns"})


def local_path():
    module = "github.com/rancher/local-path-provisioner"
    return GoModule("local-path", module, {"local-path-provisioner": module})


def network_policies():
    return GoModule("network-policies", "sigs.k8s.io/kube-network-policies", {"network-policies": "."})


def opentofu():
    module = "github.com/opentofu/opentofu"
    # Without this flag it calls itself a development build and warns at each start.
    return GoModule("opentofu", module, {"tofu": module + "/cmd/tofu"}, f" -X {module}/version.dev=no")


def tfplugindocs():
    module = "github.com/hashicorp/terraform-plugin-docs"
    return GoModule("tfplugindocs", module, {"tfplugindocs": module + "/cmd/tfplugindocs"})
