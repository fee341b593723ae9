"""An API server and an etcd of the bench's own: no controllers, no operator, no kubelet, so nothing acts on what is written."""
import http.client
import json
import resource
import secrets
import signal
import socket
import ssl
import subprocess
import time

from devcluster import cache, gobuild, operator, settings
from devcluster.report import Failure

PATIENCE = 60
AGENT = "terraform-provider-redis/"


class ApiServer:
    """Runs within a `with` block, in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.kubectl_path = cache.ensure(gobuild.kubernetes()) / "kubectl"
        self.kubeconfig = folder / "kubeconfig"
        self.audit_log = folder / "audit.log"
        self._certificate, self._key = folder / "server.crt", folder / "server.key"
        self._token = secrets.token_hex(16)
        self._etcd_port, self._peer_port, self._port = _free_ports(3)
        self._processes = []

    def __enter__(self):
        self.folder.mkdir(parents=True)
        try:
            self._write_files()
            self._start_etcd()
            self._start_api_server()
            self._wait_for("/readyz")
            self._define_redis()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _write_files(self):
        # One certificate is the server's own and what clients trust.
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-keyout", self._key, "-out", self._certificate, "-subj", "/CN=bench", "-days", "2",
             "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"],
            check=True, capture_output=True)
        (self.folder / "tokens").write_text(f"{self._token},bench,bench,system:masters\n")
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
                  "rules": [{"level": "Metadata", "users": ["bench"]}, {"level": "None"}]}
        (self.folder / "audit-policy.json").write_text(json.dumps(policy))
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": {
                "server": f"https://127.0.0.1:{self._port}", "certificate-authority": str(self._certificate)}}],
            "users": [{"name": "bench", "user": {"token": self._token}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}]}
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(config))  # JSON is YAML

    def _start_etcd(self):
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        self._start(
            "etcd", cache.ensure(gobuild.etcd()) / "etcd", "--name=bench", f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=bench={peer}", "--unsafe-no-fsync",
            "--log-level=warn")

    def _start_api_server(self):
        self._start(
            "kube-apiserver", cache.ensure(gobuild.kubernetes()) / "kube-apiserver", "--bind-address=127.0.0.1",
            f"--secure-port={self._port}", f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC",
            # Without controllers no namespace has a service account.
            "--disable-admission-plugins=ServiceAccount", f"--token-auth-file={self.folder / 'tokens'}",
            f"--tls-cert-file={self._certificate}", f"--tls-private-key-file={self._key}",
            "--service-account-issuer=https://bench", f"--service-account-key-file={self._certificate}",
            f"--service-account-signing-key-file={self._key}", "--profiling=false",
            f"--audit-policy-file={self.folder / 'audit-policy.json'}", f"--audit-log-path={self.audit_log}",
            "--audit-log-mode=blocking")

    def _start(self, name, *command):
        with open(self.folder / f"{name}.log", "wb") as log:
            self._processes.append(subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd=self.folder, start_new_session=True))

    def _define_redis(self):
        crds = cache.ensure(operator.Operator(settings.OPERATOR_VERSIONS[0])) / "crds"
        self.kubectl("apply", "--server-side", "-f", crds / "redis.redis.opstreelabs.in_redis.yaml")
        self._wait_for("/apis/redis.redis.opstreelabs.in/v1beta2/redis")

    def _wait_for(self, path):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if self.client().request("GET", path, check=False)[0] == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > deadline or any(process.poll() is not None for process in self._processes):
                raise Failure(f"the bench's API server does not serve {path}", "read the log",
                              self.folder / "kube-apiserver.log")
            time.sleep(0.1)

    def kubectl(self, *arguments):
        """Runs kubectl; returns how many seconds it took, by the clock and of CPU time."""
        began, used = time.monotonic(), _cpu_of_children()
        command = [str(self.kubectl_path), f"--kubeconfig={self.kubeconfig}", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"kubectl {arguments[0]}: {done.stderr.strip()[-2000:]}", "")
        return time.monotonic() - began, _cpu_of_children() - used

    def client(self):
        """A connection of one's own: a thread each."""
        return Client(self._port, ssl.create_default_context(cafile=self._certificate), self._token)

    def audit_mark(self):
        """Where the record of requests ends now; see `requests_since`."""
        return self.audit_log.stat().st_size

    def requests_since(self, mark):
        """The provider's requests since then, as `VERB URI`."""
        with open(self.audit_log, encoding="utf-8") as log:
            log.seek(mark)
            events = [json.loads(line) for line in log]
        return [f"{event['verb']} {event['requestURI']}" for event in events
                if event.get("userAgent", "").startswith(AGENT)]


class Client:
    """Requests over one connection."""

    def __init__(self, port, trust, token):
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=30)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "User-Agent": "bench"}

    def request(self, method, path, body=None, check=True):
        """(status, object)"""
        text = None if body is None else json.dumps(body)
        self._connection.request(method, path, text, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if check and answer.status >= 300:
            raise Failure(f"{method} {path}: {answer.status} {content.decode(errors='replace')[:500]}", "")
        try:
            return answer.status, json.loads(content)
        except ValueError:
            return answer.status, None


def _cpu_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
