"""What the egress networks of containers mean for the flows to other machines: demanded ones, and several at once.

Input: intentions, predictions and observations, and the egress networks as seen and by the file.
Output: the same matrices.
Rule: a flow that leaves over another network than the policy demands is a breach where it is open, and broken where it
is closed. With several default routes, one probe proves neither that a flow is closed nor that it is always open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from cloison.model.facts import EgressNetworks
from cloison.model.flow import OUTSIDE, Flow, ip_version
from cloison.model.outcome import Observation, Reach, unknown
from cloison.predict.context import Prediction, shut
from cloison.verdict.intent import EgressByContainer, Intent, Intention, without_address


def by_container(found: Iterable[EgressNetworks]) -> EgressByContainer:
    """Return the egress networks by container and version of IP."""
    return {(item.container, item.version): item.networks for item in found}


def needed_egress(intentions: Mapping[Flow, Intention], is_shut: Callable[[Flow], bool]) -> dict[Flow, Intention]:
    """Return the intentions, and open for each flow that should leave over another network and leaves over none.

    The policy needs it at one address at least: a flow that is closed over another network is broken, not isolated.
    """
    missed = {flow for flow, intention in intentions.items() if _misses_egress(intention)}
    if not missed:
        return {**intentions}
    reached = {without_address(flow) for flow in intentions if flow.endpoint.place == OUTSIDE and not is_shut(flow)}
    return {
        flow: Intention(Intent.OPEN, intention.where, intention.why)
        if flow in missed and is_shut(flow) and without_address(flow) not in reached
        else intention
        for flow, intention in intentions.items()
    }


def predictions_by_egress(
    intentions: Mapping[Flow, Intention],
    predicted: Mapping[Flow, Prediction],
    seen: EgressByContainer,
    by_file: EgressByContainer,
) -> dict[Flow, Prediction]:
    """Return the predictions, and closed for each flow that leaves over another network than the file gives it."""
    if not any(map(_misses_egress, intentions.values())):
        return {**predicted}
    return {
        flow: shut(f"by the file, the egress network of {flow.vantage.place} is {', '.join(by_file[key])}")
        if _misses_egress(intentions[flow]) and (key := _key(flow)) in by_file and by_file[key] != seen.get(key)
        else prediction
        for flow, prediction in predicted.items()
    }


def certain(
    observed: Mapping[Flow, Observation], intentions: Mapping[Flow, Intention], seen: EgressByContainer
) -> dict[Flow, Observation]:
    """Return the observations, and unknown for each flow that would hold by one of several egress networks.

    A flow that is open against the policy is open, whichever the next packet takes.
    """
    several = {key: networks for key, networks in seen.items() if len(networks) > 1}
    if not several:
        return {**observed}
    return {
        flow: unknown(
            f"{flow.vantage.container} has a default route on each of {', '.join(several[_key(flow)])}, so one probe "
            "proves nothing"
        )
        if flow.endpoint.place == OUTSIDE and _key(flow) in several and _would_hold(found, intentions[flow])
        else found
        for flow, found in observed.items()
    }


def _would_hold(found: Observation, intention: Intention) -> bool:
    return found.reach is Reach.SHUT or intention.intent is Intent.OPEN


def _misses_egress(intention: Intention) -> bool:
    return intention.intent is Intent.SHUT and bool(intention.why)


def _key(flow: Flow) -> tuple[str, int]:
    return flow.vantage.container, ip_version(flow.endpoint.address)
