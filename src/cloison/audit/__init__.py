"""Security checks beside the verdict: container privileges, forwarding, leaks through DNS and loopback ports."""
