"""A claim with its rule, for every machine of a run or a sweep."""

import rbmflow as rf


@rf.claim(
    id="ends-ordered",
    words="Flows end in the ordered phase",
    source="a question of one's own",
    figure="flow_ends",
)
def ends_ordered(machines):
    """T(E) at the end, averaged over all starts, against T_c.

    Supports: below it by more than its margin, the quantile of Student's t in errors.
    Contradicts: above it by as much.
    """
    judgements = []
    for machine in machines:
        away, margin = machine.mean_end.value - machine.critical, machine.mean_end.margin
        side = "supports" if away < -margin else "contradicts" if away > margin else "open"
        judgements.append(rf.Judgement(machine.name, side, f"T* = {machine.mean_end}"))
    return judgements
