"""Interfaces to the Linux kernel: namespaces, netlink, sockets, processes, locks."""
