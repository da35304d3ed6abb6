"""Certificates, made by the commands of README's walk."""

import itertools
import os

from .netns import run
from .readme import block, replaced

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_serials = itertools.count(1000)


class Tls:
    """A CA, a server's certificate for one address, and a client's."""

    def __init__(self, folder, **changes):
        """changes: text of README's block, by what stands in its place"""
        self.folder = folder
        self._changes = changes
        self.ca = f"{folder}/ca.crt"
        self.server_cert, self.server_key = f"{folder}/server.crt", f"{folder}/server.key"
        self.client_cert, self.client_key = f"{folder}/client.crt", f"{folder}/client.key"

    def issue(self, address):
        """All of them anew, for an etcd at that address."""
        script = replaced(
            block("certificates"), "etcd_address=192.0.2.10\n", f"etcd_address={address}\n")
        for old, new in self._changes.items():
            script = replaced(script, old, new)
        run("sh", "-e", "-c", script, cwd=self.folder)


class Authority:
    """A CA that issues whatever a test needs: wrong names, other lifetimes."""

    def __init__(self, folder, name="test CA"):
        self.folder = folder
        self.name = name
        os.makedirs(folder, exist_ok=True)
        self.cert, self.key = f"{folder}/ca.crt", f"{folder}/ca.key"
        run("openssl", "req", "-x509", *_KEY, "-days", "300", "-subj", f"/CN={name}",
            "-keyout", self.key, "-out", self.cert)

    def issue(self, name, names="", days=300, usage="serverAuth,clientAuth"):
        """Certificate and key, as paths; days may be negative: it is over then."""
        path = f"{self.folder}/{name}"
        with open(f"{path}.ext", "w", encoding="ascii") as file:
            file.write(f"extendedKeyUsage={usage}\n")
            if names:
                file.write(f"subjectAltName={names}\n")
        run("openssl", "req", *_KEY, "-subj", f"/O=overlay/OU={name}",
            "-keyout", f"{path}.key", "-out", f"{path}.csr")
        run("openssl", "x509", "-req", "-in", f"{path}.csr", "-CA", self.cert, "-CAkey", self.key,
            "-set_serial", str(next(_serials)), "-days", str(days), "-extfile", f"{path}.ext",
            "-out", f"{path}.crt")
        return f"{path}.crt", f"{path}.key"
