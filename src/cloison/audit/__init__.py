"""Security checks that change no verdict: container privileges, forwarding, DNS leaks, exposed loopback ports."""
