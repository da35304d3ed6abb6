"""Certificates, made by the commands of README's walk."""

from .netns import run
from .readme import block, replaced


class Tls:
    """A CA, a server's certificate for one address, and a client's."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = f"{folder}/ca.crt"
        self.server_cert, self.server_key = f"{folder}/server.crt", f"{folder}/server.key"
        self.client_cert, self.client_key = f"{folder}/client.crt", f"{folder}/client.key"

    def issue(self, address):
        """All of them anew, for an etcd at that address."""
        script = replaced(
            block("certificates"), "etcd_address=192.0.2.10\n", f"etcd_address={address}\n")
        run("sh", "-e", "-c", script, cwd=self.folder)
