"""Certificates made by openssl(1), the way README's walk makes them."""

from .netns import run


class Tls:
    """A CA, a server's certificate for one address, and a client's."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = f"{folder}/ca.crt"
        self.server_cert, self.server_key = f"{folder}/server.crt", f"{folder}/server.key"
        self.client_cert, self.client_key = f"{folder}/client.crt", f"{folder}/client.key"
        self._new_ca()
        self._issue("client", "extendedKeyUsage=clientAuth")

    def issue_server(self, address):
        # etcd's gateway connects to itself with this certificate, hence both usages
        self._issue("server", f"subjectAltName=IP:{address}",
                    "extendedKeyUsage=serverAuth,clientAuth")

    def _new_ca(self):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test CA",
            "-keyout", f"{self.folder}/ca.key", "-out", self.ca)

    def _issue(self, name, *extensions):
        request, conf = f"{self.folder}/{name}.csr", f"{self.folder}/{name}.ext"
        with open(conf, "w", encoding="ascii") as file:
            file.write("\n".join(extensions) + "\n")
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", f"/O=flanneld test/OU={name}",
            "-keyout", f"{self.folder}/{name}.key", "-out", request)
        run("openssl", "x509", "-req", "-in", request, "-CA", self.ca,
            "-CAkey", f"{self.folder}/ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", conf, "-out", f"{self.folder}/{name}.crt")
