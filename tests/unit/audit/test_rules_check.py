"""Rules in both backends of iptables are a finding; the rule of a policy is none."""

from __future__ import annotations

from cloison.audit.rules_check import backend_risks
from cloison.linux.iptables_chains import ChainRule

DROPS: dict[tuple[int, str, str], tuple[ChainRule, ...]] = {
    (4, "filter", "INPUT"): (ChainRule("DROP", has_destination=False),)
}
POLICY: dict[tuple[int, str, str], tuple[ChainRule, ...]] = {
    (4, "filter", "FORWARD"): (ChainRule("", has_destination=False),)
}
NAT: dict[tuple[int, str, str], tuple[ChainRule, ...]] = {
    (4, "nat", "PREROUTING"): (ChainRule("DOCKER", has_destination=False),)
}


def test_rules_of_both_backends_are_named_with_their_chains() -> None:
    (risk,) = backend_risks({"nft": DROPS | POLICY, "legacy": DROPS})

    assert ("two-backends", "legacy: INPUT; nft: INPUT") == (risk.what, risk.evidence)


def test_a_policy_and_another_table_are_no_rules() -> None:
    assert [] == backend_risks({"nft": DROPS, "legacy": POLICY}) == backend_risks({"nft": DROPS, "legacy": NAT})
