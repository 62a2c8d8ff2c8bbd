"""What the Linux kernel is asked and told: namespaces, netlink, sockets, processes, locks."""
