"""The command line of dev/cluster and dev/tool."""
import argparse

from . import (
    cache, cargobuild, changes, debian, down, external, gobuild, image, objects, operator, settings, status, terraform, up)
from .report import Failure, say

HELP = """\
A one-node Kubernetes with the Redis operator, for development and tests.

  dev/cluster up [--operator VERSION] [--gate on|off] [--operator-qps N] [--no-operator] [--network-policies]
                          start it, or mend or change the one that runs
  dev/cluster down        end it and leave behind only packages, the cache and what is another's by now
  dev/cluster changes     what up does to this machine and down puts back; does nothing itself
  dev/cluster status      one line per part
  dev/cluster env         shell lines for the tests: eval "$(dev/cluster env)"
  dev/cluster logs PART   the log of a part, or of the operator
  dev/cluster build [PART…]
                          build all parts, or these, into the cache
  dev/cluster cache       where everything is kept
  dev/cluster help        this

Operator versions: %(operators)s (the first is the default).
Parts to build: %(parts)s.
Parts with a log: see dev/cluster status.
Everything is kept in %(cache)s (REDIS_DEV_CACHE); more in dev/README.md.
"""


def recipes():
    """Everything that can be built, by the name used on the command line, in order of need."""
    found = {"kubernetes": gobuild.kubernetes, "etcd": gobuild.etcd, "coredns": gobuild.coredns,
             "local-path": gobuild.local_path, "image": image.RedisImage}
    for version in settings.OPERATOR_VERSIONS:
        found[f"operator-{version}"] = lambda version=version: operator.Operator(version)
    return {**found, "network-policies": gobuild.network_policies, "opentofu": gobuild.opentofu,
            "terraform-1.15": terraform.Terraform}


def main(arguments):
    """Runs a command; failures are told, not thrown."""
    try:
        return _dispatch(_parsed(arguments)) or 0
    except Failure as failure:
        say(failure.text())
        return 1
    except KeyboardInterrupt:
        say("interrupted; dev/cluster up goes on from here, dev/cluster down ends it")
        return 130


def _parsed(arguments):
    parser = argparse.ArgumentParser(prog="dev/cluster", add_help=False)
    commands = parser.add_subparsers(dest="command")
    upper = commands.add_parser("up", add_help=False)
    upper.add_argument("--operator", choices=settings.OPERATOR_VERSIONS, default=settings.OPERATOR_VERSIONS[0])
    upper.add_argument("--no-operator", action="store_true")
    upper.add_argument("--gate", choices=("on", "off"), default="off")
    upper.add_argument("--operator-qps", type=int)
    upper.add_argument("--network-policies", action="store_true")
    for name in ("down", "changes", "status", "env", "cache", "help"):
        commands.add_parser(name, add_help=False)
    commands.add_parser("logs", add_help=False).add_argument("part")
    commands.add_parser("build", add_help=False).add_argument("parts", nargs="*")
    if not arguments or arguments[0] in ("-h", "--help"):
        arguments = ["help"]
    return parser.parse_args(arguments)


def _dispatch(wanted):
    foreign = settings.foreign_kubeconfig()
    if wanted.command == "up":
        if foreign:
            return external.Cluster(foreign).check()
        return up.up(None if wanted.no_operator else wanted.operator, wanted.gate, wanted.operator_qps,
                     wanted.network_policies)
    if wanted.command == "down":
        if foreign:
            return say("REDIS_DEV_KUBECONFIG names a cluster that is not ours: left as it is")
        return down.down()
    if wanted.command == "changes":
        return print(changes.text(), end="")
    if wanted.command == "cache":
        return print(settings.cache())
    if wanted.command == "status":
        return status.status()
    if wanted.command == "env":
        return status.print_environment()
    if wanted.command == "logs":
        return status.logs(wanted.part)
    if wanted.command == "build":
        return _build(wanted.parts)
    return _help()


def _help():
    print(HELP % {"operators": ", ".join(settings.OPERATOR_VERSIONS), "parts": ", ".join(recipes()),
                  "cache": settings.cache()}, end="")


def _build(names):
    known = recipes()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Failure(f"there is no part {unknown[0]!r} to build", f"one of: {', '.join(known)}")
    if not names or "image" in names:
        debian.ensure()
    for name in names or known:
        say(f"{name}: {cache.ensure(known[name]())}")


def tool(arguments):
    """dev/tool NAME: prints the path of a program, building it first when it is missing."""
    tools = {
        "kubectl": objects.kubectl_path,
        "tofu": lambda: cache.ensure(gobuild.opentofu()) / "tofu",
        "terraform": _terraform,
        "terraform-1.15": _terraform_1_15,
        "cargo-deny": lambda: cache.ensure(cargobuild.CargoDeny()) / "bin" / "cargo-deny",
        "tfplugindocs": lambda: cache.ensure(gobuild.tfplugindocs()) / "tfplugindocs",
    }
    try:
        if len(arguments) != 1 or arguments[0] not in tools:
            raise Failure("usage: dev/tool NAME", f"NAME is one of: {', '.join(tools)}")
        print(tools[arguments[0]]())
        return 0
    except Failure as failure:
        say(failure.text())
        return 1


def _terraform():
    return terraform.default() if terraform.default() != terraform.wrapper() else _terraform_1_15()


def _terraform_1_15():
    cache.ensure(terraform.Terraform())
    return terraform.wrapper()
