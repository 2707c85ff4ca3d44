"""Print the result of `snapshotter policy explain`, as text or JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from snapshotter.cli.batch_output import format_span
from snapshotter.cli.output import print_message, print_result
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.policies.capture_preview import (
        Explanation,
        HostVisits,
        RedactionSummary,
        VisitCost,
    )
    from snapshotter.model.request import Monitoring


def _identity_in_words(redaction: "RedactionSummary") -> str:
    if not redaction.own_names:
        return tr("are not searched for, because the setting identity_file is empty")
    return {
        "warn": "are searched for; a message lists the places where they are found, and the "
        "capture is stored",
        "redact": "are redacted in texts, but not in pictures",
        "stop": "are searched for; a capture that contains such a text is not stored",
        "ignore": "are not searched for by this policy",
    }[redaction.identity]


def print_explanation(found: "Explanation") -> None:
    """Print what a capture would be like."""
    chosen, redaction = found.effective.policy, found.redaction
    print_result(tr("policy    {name}: {why}", name=chosen.name, why=found.why))
    if chosen.reason:
        print_result(f"          {chosen.reason}")
    if chosen.parents:
        print_result(
            tr(
                "          based on {name}",
                name=", ".join(parent.name for parent in chosen.parents),
            )
        )
    others: dict[str, list[str]] = {}
    for candidate in found.rejected:
        others.setdefault(candidate.why, []).append(candidate.name)
    for why, names in others.items():
        print_result(tr("not       {names}: {why}", names=", ".join(names), why=why))
    for rules in (rules for rules in found.rules if rules.applies):
        print_result(
            tr(
                "rules     {id} {version}; number of rules: {count}",
                id=rules.id,
                version=rules.version,
                count=rules.count,
            )
        )
        if rules.reason:
            print_result(f"          {rules.reason}")
    if elsewhere := [rules.id for rules in found.rules if not rules.applies]:
        print_result(
            tr(
                "          rules for other hosts, which do not apply: {elsewhere}",
                elsewhere=", ".join(elsewhere),
            )
        )
    if redaction.parameters:
        print_result(tr("visits    {visited}", visited=redaction.visited))
        print_result(
            tr(
                "          the address is visited without {parameters}; commitments to the "
                "values are kept",
                parameters=", ".join(redaction.parameters),
            )
        )
    print_result(
        tr("redacts   {headers}; passwords in addresses", headers=", ".join(redaction.headers))
    )
    if redaction.url_params:
        print_result(
            tr("          in addresses: {url_params}", url_params=", ".join(redaction.url_params))
        )
    print_result(
        tr(
            "          the salts that open the commitments are kept in {salts}",
            salts=redaction.salts,
        )
        if redaction.salts
        else tr("          the salts that open the commitments are destroyed")
    )
    if redaction.viewer_fields:
        print_result(
            tr(
                "          data about the visitor in the page: {viewer_fields}",
                viewer_fields=", ".join(redaction.viewer_fields),
            )
        )
    print_result(
        tr(
            "          texts that identify you {identity_in_words}",
            identity_in_words=_identity_in_words(redaction),
        )
    )
    for observer in found.observers:
        sees = f" (from {observer.from_where})" if observer.from_where else ""
        print_result(
            tr(
                "seen by   {who}: {learns}{sees}",
                who=observer.whole_name,
                learns=observer.learns,
                sees=sees,
            )
        )
    tokens = (
        tr(", and at most {tokens_s:g} s for timestamp tokens", tokens_s=found.tokens_s)
        if found.tokens_s
        else ""
    )
    light = "a light check: " if found.light else ""
    print_result(
        tr(
            "takes     {light}a few seconds, at most {at_most_s:g} s{tokens}",
            light=light,
            at_most_s=found.at_most_s,
            tokens=tokens,
        )
    )
    if found.cost is None:
        print_result(tr("visits    once, because the policy has no schedule"))
    else:
        for line in _cost_in_words(found.cost):
            print_result(line)
    if found.watch is not None:
        print_result(_watch_in_words(found.watch))


def _watch_in_words(watch: "Monitoring") -> str:
    from snapshotter.policy.times import format_short_duration

    confirm = watch.confirm
    control = (
        tr(", and between these captures a control page of the host is captured")
        if confirm.control
        else ""
    )
    proof = tr("; a proof pack is made for each removal") if watch.proof else ""
    return tr(
        "watches   light checks after the first capture, and a full capture after a change; a "
        "removal is confirmed by {times} captures, which are {short_duration} apart{control}; "
        "further visits after a removal: {count}{proof}",
        times=confirm.times,
        short_duration=format_short_duration(confirm.after),
        control=control,
        count=len(watch.after_gone),
        proof=proof,
    )


def _cost_in_words(cost: "VisitCost") -> Sequence[str]:
    whole = "without end" if cost.in_all is None else f"{cost.in_all} in total"
    lines = [
        tr(
            "visits    {words}: {first_day} on the first day, {three_days} in the first three "
            "days, {whole}",
            words=cost.words,
            first_day=cost.first_day,
            three_days=cost.three_days,
            whole=whole,
        )
    ]
    if cost.in_all:
        three = cost.pages_per_day(cost.three_days, cost.fits_per_day)
        fits = cost.pages_per_day(cost.in_all, cost.fits_per_day)
        lines.append(
            tr(
                "costs     with one visit to {host} every {every_s:g} s, {fits_per_day} visits a "
                "day are possible: enough for {fits} new pages a day, or for {three} new pages a "
                "day if only the first three days of each page are counted",
                every_s=cost.every_s,
                host=cost.host,
                fits_per_day=cost.fits_per_day,
                fits=fits,
                three=three,
            )
        )
        if cost.budget_per_day is not None:
            budget = cost.pages_per_day(cost.in_all, cost.budget_per_day)
            lines.append(
                tr(
                    "          the rules for the host allow {budget_per_day} visits a day: "
                    "enough for about {budget} new pages a day (docs/reference/politeness.md)",
                    budget_per_day=cost.budget_per_day,
                    budget=budget,
                )
            )
    return lines


def print_host_visits(sums: "Sequence[HostVisits]") -> None:
    """Print what the pages of a list ask of each host."""
    for host in sums:
        whole = "without end" if host.in_all is None else f"{host.in_all} in total"
        print_result(
            tr(
                "{host}: pages: {pages:,} ({policies}); visits: {first_day:,} on the first day, "
                "{three_days} in the first three days, {whole}; visiting each page once takes "
                "{span}",
                host=host.host,
                pages=host.pages,
                policies=", ".join(host.policies),
                first_day=host.first_day,
                three_days=host.three_days,
                whole=whole,
                span=format_span(host.takes),
            )
        )
        if host.is_over:
            print_message(
                tr(
                    "{host}: the rules for the host allow {budget_per_day} visits in 24 hours, "
                    "but the first day needs {first_day} visits. The visits above the limit "
                    "would be recorded as gaps",
                    host=host.host,
                    budget_per_day=host.budget_per_day,
                    first_day=host.first_day,
                )
            )
