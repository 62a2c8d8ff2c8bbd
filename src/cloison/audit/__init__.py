"""Security checks beside the verdict: what containers hold, whether they forward, what leaks through DNS and loopback ports."""
