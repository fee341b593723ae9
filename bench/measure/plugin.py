"""Starts the provider as core does and ends it as core does: how long each takes."""
import base64
import os
import select
import socket
import ssl
import struct
import subprocess
import time

COOKIE = {"TF_PLUGIN_MAGIC_COOKIE": "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"}

# Frame types and flags of HTTP/2 (RFC 9113).
DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1


class Core:
    """Our end of go-plugin's mutual TLS: a certificate like that of Go's client."""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self._certificate, self._key = folder / "client.crt", folder / "client.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp521r1", "-sha512",
             "-keyout", self._key, "-out", self._certificate, "-subj", "/CN=localhost", "-days", "2",
             "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:TRUE"],
            check=True, capture_output=True)
        self._environment = {"PATH": os.environ["PATH"], **COOKIE, "PLUGIN_PROTOCOL_VERSIONS": "6,5",
                             "PLUGIN_CLIENT_CERT": self._certificate.read_text()}

    def start_and_end(self, provider):
        """Seconds from exec to the handshake line, and from sending Shutdown until the process is gone."""
        reading, writing = os.pipe()
        began = time.monotonic()
        pid = os.posix_spawn(provider, [str(provider)], self._environment,
                             file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)])
        os.close(writing)
        with os.fdopen(reading) as output:
            line = output.readline()
            started = time.monotonic() - began
            ended = self._end(line.strip().split("|"), pid)
        return started, ended

    def _end(self, handshake, pid):
        path, certificate = handshake[3], handshake[5]
        trust = ssl.create_default_context(
            cadata=base64.b64decode(certificate + "=" * (-len(certificate) % 4)))
        trust.load_cert_chain(self._certificate, self._key)
        trust.set_alpn_protocols(["h2"])
        handle = os.pidfd_open(pid)
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(path)
            connection = Http2(trust.wrap_socket(plain, server_hostname="localhost"))
            began = time.monotonic()
            connection.call("/plugin.GRPCController/Shutdown")
            connection.answer_until_closed()
        gone = select.poll()
        gone.register(handle, select.POLLIN)
        gone.poll()
        ended = time.monotonic() - began
        os.close(handle)
        os.waitpid(pid, 0)
        return ended


class Http2:
    """Just enough for one gRPC call with an empty message."""

    def __init__(self, stream):
        self._stream = stream
        stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS))

    def call(self, path):
        fields = {":method": "POST", ":scheme": "https", ":path": path, ":authority": "localhost",
                  "content-type": "application/grpc", "te": "trailers"}
        block = b"".join(b"\0" + text(name) + text(value) for name, value in fields.items())
        self._stream.sendall(frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, END_STREAM, 1, bytes(5)))

    def answer_until_closed(self):
        """A polite peer: it acknowledges, and closes when told that the other end goes."""
        while head := self._read(9):
            length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            payload = self._read(length)
            if kind in (SETTINGS, PING) and not flags & ACK:
                try:
                    self._stream.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
                except OSError:
                    return

    def _read(self, length):
        content = b""
        while len(content) < length:
            try:
                more = self._stream.recv(length - len(content))
            except OSError:
                more = b""
            if not more:
                return b""
            content += more
        return content


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def text(value):
    """A literal of HPACK, without Huffman."""
    return bytes([len(value)]) + value.encode()
