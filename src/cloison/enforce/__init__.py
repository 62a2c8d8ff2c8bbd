"""Enforcement: the rules that close what a policy does not allow, as the text of a transaction.

Input: a policy, and who is behind which port of the project's bridges. Output: the tables of nftables.
Rule: pure. `linux.libnftables` loads the text, and `observe.bridge_ports` reads the ports.
"""
