"""Observes the flows of a proof: opens probe sockets in every namespace, sends probes, interprets the results."""
