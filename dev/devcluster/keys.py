"""Keys and kubeconfigs of the cluster: one authority, made afresh at the first `up` and gone with `down`."""
import base64
import json
import subprocess

from . import settings
from .report import Failure

# Name → subject of the certificates that only ever log in.
CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
}


def folder():
    return settings.run() / "keys"


def certificate(name):
    return folder() / f"{name}.crt"


def private_key(name):
    return folder() / f"{name}.key"


def kubeconfig(name):
    return folder() / f"{name}.kubeconfig"


def ensure(node_address):
    """Makes what is missing; a machine with a new address gets new serving certificates."""
    folder().mkdir(parents=True, exist_ok=True)
    folder().chmod(0o700)
    if not certificate("ca").exists():
        _openssl("req", "-x509", "-nodes", *_new_key("ca"), "-subj", "/CN=redis-dev", "-days", "3650",
                 "-out", certificate("ca"))
    for name, subject in CLIENTS.items():
        _issue(name, subject, "clientAuth")
    _issue("apiserver", "/CN=kube-apiserver", "serverAuth", _api_names(node_address))
    _issue("node", f"/O=system:nodes/CN=system:node:{settings.NODE_NAME}", "serverAuth,clientAuth",
           [f"DNS:{settings.NODE_NAME}", f"IP:{node_address}", "IP:127.0.0.1"])
    if not private_key("service-account").exists():
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private_key("service-account"))
        _openssl("ec", "-in", private_key("service-account"), "-pubout", "-out", folder() / "service-account.pub")
    for name in (*CLIENTS, "node"):
        _write_kubeconfig(name)


def _api_names(node_address):
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
             "kubernetes.default.svc.cluster.local"]
    addresses = ["127.0.0.1", node_address, settings.KUBERNETES_SERVICE_ADDRESS]
    return [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]


def _issue(name, subject, use, names=()):
    wanted = json.dumps([subject, use, list(names)])
    record = folder() / f"{name}.wanted"
    if record.exists() and record.read_text() == wanted and certificate(name).exists():
        return
    extensions = ["-addext", "keyUsage=critical,digitalSignature", "-addext", f"extendedKeyUsage={use}",
                  "-addext", "basicConstraints=critical,CA:FALSE"]
    if names:
        extensions += ["-addext", "subjectAltName=" + ",".join(names)]
    _openssl("req", "-x509", "-nodes", "-CA", certificate("ca"), "-CAkey", private_key("ca"), *_new_key(name),
             "-subj", subject, "-days", "3650", *extensions, "-out", certificate(name))
    record.write_text(wanted)


def _new_key(name):
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", private_key(name)]


def _write_kubeconfig(name):
    # Loopback also for our own parts: the address does not change when the machine's does.
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "redis-dev",
        "clusters": [{"name": "redis-dev", "cluster": {
            "server": f"https://127.0.0.1:{settings.API_PORT}",
            "certificate-authority-data": _base64(certificate("ca"))}}],
        "contexts": [{"name": "redis-dev", "context": {"cluster": "redis-dev", "user": name}}],
        "users": [{"name": name, "user": {
            "client-certificate-data": _base64(certificate(name)),
            "client-key-data": _base64(private_key(name))}}],
    }
    text = json.dumps(config, indent=2)  # JSON is YAML
    path = kubeconfig(name)
    if not path.exists() or path.read_text() != text:
        path.touch(mode=0o600)
        path.write_text(text)


def _base64(path):
    return base64.b64encode(path.read_bytes()).decode()


def _openssl(*arguments):
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise Failure("openssl failed: " + " ".join(command) + "\n" + done.stdout, "OpenSSL 3 or newer is needed")
