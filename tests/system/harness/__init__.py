"""What the system tests stand on: namespaces, etcd, hosts with flanneld, containers."""
