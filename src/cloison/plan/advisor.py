"""What a plan advises: the proposal with its result, a smaller first step, and a tried change for each flow.

Input: a `Scenario` and the assumptions about the engine. Output: `AppliedProposal`, `FirstStep`, `TriedAdvice`.
Rule: single changes are tried with every service modelled, because a change of one service takes it out of its class.
A project with too many flows for that has the advice to apply the proposal, where the plan of its result is sound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from cloison.compose import policy
from cloison.compose.project import Project
from cloison.plan.advice import TRIED_FLOWS, TriedAdvice, connections, effect, tried_advice
from cloison.plan.applied_proposal import STEP_FLOWS, AppliedProposal, FirstStep, applied_proposal, first_step
from cloison.plan.change import Change, Replace, Situation
from cloison.plan.reduction import reduce_ports
from cloison.plan.requirements import Requirements, allowed, requirements
from cloison.plan.scenario import Connection, Scenario, build_scenario, connection, scenario_of
from cloison.plan.segmentation import propose
from cloison.plan.synthetic_facts import Assumptions, modelled_project
from cloison.verdict.judge import JudgedFlow, Judgement

APPLY_PROPOSAL: Final = "apply the proposal below"
ADVISED: Final = (Judgement.BREACH, Judgement.BROKEN)


def judge_services(situation: Situation) -> list[JudgedFlow]:
    """Return the judged flows of a project with its own policy, with every service modelled."""
    return _with_every_service(situation.project, situation.assumed).judged()


def judge_classes(situation: Situation) -> list[JudgedFlow]:
    """Return the judged flows of a project with its own policy; a breach of a class is one of each of its services."""
    scenario = build_scenario(situation.project, policy.policy(situation.project), situation.assumed)
    expanded = scenario.reduction.expanded
    return [
        replace(item, flow=flow)
        for item in scenario.judged()
        for flow in (expanded(item.flow) if item.judgement is Judgement.BREACH else (item.flow,))
    ]


def _with_every_service(project: Project, assumed: Assumptions) -> Scenario:
    rules = policy.policy(project)
    return scenario_of(project, reduce_ports(project, rules), rules, assumed)


@dataclass(frozen=True)
class Advisor:
    """The advice about a scenario."""

    scenario: Scenario
    assumed: Assumptions

    @cached_property
    def proposal(self) -> AppliedProposal | None:
        """The proposal of networks; None without a policy, and where the file has the smallest set."""
        found = propose(self.scenario.whole, self._needed) if self._needed else None
        return applied_proposal(self._situation, found, judge_classes) if found else None

    @cached_property
    def _needed(self) -> Requirements | None:
        """The requirements of the policy, None without one."""
        return requirements(self.scenario.policy_context) if self.scenario.policy_context else None

    @property
    def _situation(self) -> Situation:
        return Situation(self.scenario.whole, self.assumed)

    @cached_property
    def _judged(self) -> Sequence[JudgedFlow] | None:
        """The judged flows with every service modelled, None where they are too many for trials."""
        reduction = self.scenario.reduction
        if not reduction.classes:
            return self.scenario.judged()
        pairs = Counter((flow.vantage.place, flow.endpoint.place) for flow in self.scenario.predicted)
        flows = sum(number * sum(1 for _ in reduction.expanded_pair(*pair)) for pair, number in pairs.items())
        return judge_services(self._situation) if flows <= TRIED_FLOWS else None

    def first_step(self) -> FirstStep | None:
        """Return the change of one network that closes most; None where there is none, or too much to try."""
        needed, judged = self._needed, self._judged
        if needed is None or judged is None or len(judged) > STEP_FLOWS:
            return None
        return first_step(self._situation, effect(judged), judge_services, needed.egress)

    def advice(self, judged: Sequence[JudgedFlow]) -> list[TriedAdvice]:
        """Return the advice about the judged flows of the scenario, by their positions."""
        if self._judged is None:
            return list(self._apply_proposal(judged))
        others = [Replace(APPLY_PROPOSAL, self.proposal.project)] if self.proposal else []
        found = _tried_advice(self.scenario, self.assumed, self._judged, others)
        if not self.scenario.reduction.classes:
            return found
        by_connection = {
            connection(self._judged[i].flow): number for number, a in enumerate(found) for i in a.positions
        }
        positions: dict[int, list[int]] = {}
        for position, item in enumerate(judged):
            if item.judgement in ADVISED and (number := by_connection.get(connection(item.flow))) is not None:
                positions.setdefault(number, []).append(position)
        return [replace(found[number], positions=tuple(held)) for number, held in sorted(positions.items())]

    def _apply_proposal(self, judged: Sequence[JudgedFlow]) -> Iterator[TriedAdvice]:
        if self.proposal and self.proposal.is_sound:
            positions = [position for position, item in enumerate(judged) if item.judgement in ADVISED]
            yield TriedAdvice(APPLY_PROPOSAL, tuple(positions), Replace(APPLY_PROPOSAL, self.proposal.project))


def _tried_advice(
    scenario: Scenario, assumed: Assumptions, judged: Sequence[JudgedFlow], others: Sequence[Change]
) -> list[TriedAdvice]:
    context = scenario.policy_context
    return tried_advice(
        Situation(scenario.whole, assumed),
        judged,
        judge_services,
        needing_egress=requirements(context).egress if context else (),
        allowed=allowed(context) if context else (),
        others=others,
    )


def connection_advice(project: Project, assumed: Assumptions) -> dict[Connection, str]:
    """Return the advice about the connections that the file opens or closes against its policy.

    Raises PolicyError and FileError like `planner.plan`.
    """
    scenario = _with_every_service(modelled_project(project, assumed), assumed)
    judged = scenario.judged()
    found = _tried_advice(scenario, assumed, judged, ())
    return {key: item.sentence for item in found for i in item.positions for key in connections(judged[i].flow)}
