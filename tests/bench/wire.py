# tests/bench/wire.py - requests of etcd's two APIs, as bytes on the wire.
import base64
import json
import urllib.parse


def _request(method, path, body="", kind="application/x-www-form-urlencoded"):
    return (f"{method} {path} HTTP/1.1\r\nHost: etcd\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


class V2:
    """Keys are files in folders."""

    WATCHES = b"\r\n\r\n"  # the end of what a watch is answered before there is an event

    @staticmethod
    def put(key, value, leased=True):
        body = ("ttl=86400&" if leased else "") + "value=" + urllib.parse.quote(value, safe="")
        return _request("PUT", f"/v2/keys{key}", body)

    @staticmethod
    def delete(key):
        return _request("DELETE", f"/v2/keys{key}")

    @staticmethod
    def list(folder):
        return _request("GET", f"/v2/keys{folder}?recursive=true&quorum=true")

    @staticmethod
    def watch(folder):
        return _request("GET", f"/v2/keys{folder}?recursive=true&wait=true")

    @staticmethod
    def prepare():
        return []


class V3:
    """Keys are bytes, and what expires hangs on a lease: one for all of ours here."""

    WATCHES = b'"created":true}}\n'
    _LEASE = "4711"

    @staticmethod
    def _post(path, message):
        return _request("POST", f"/v3/{path}", json.dumps(message, separators=(",", ":")),
                        "application/json")

    @staticmethod
    def _bytes(text):
        return base64.b64encode(text.encode()).decode()

    @classmethod
    def _all_below(cls, folder):
        return {"key": cls._bytes(f"{folder}/"), "range_end": cls._bytes(f"{folder}0")}

    @classmethod
    def put(cls, key, value, leased=True):
        message = {"key": cls._bytes(key), "value": cls._bytes(value)}
        if leased:
            message["lease"] = cls._LEASE
        return cls._post("kv/put", message)

    @classmethod
    def delete(cls, key):
        return cls._post("kv/deleterange", {"key": cls._bytes(key)})

    @classmethod
    def list(cls, folder):
        return cls._post("kv/range", cls._all_below(folder))

    @classmethod
    def watch(cls, folder):
        return cls._post("watch", {"create_request": cls._all_below(folder)})

    @classmethod
    def prepare(cls):
        return [cls._post("lease/grant", {"ID": cls._LEASE, "TTL": "86400"})]


APIS = {"2": V2, "3": V3}
