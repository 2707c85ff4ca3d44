"""Return policies, and what they mean for an address, as JSON objects."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapshotter.app.policies.capture_preview import Explanation, HostVisits, VisitCost
    from snapshotter.model.request import Monitoring
    from snapshotter.policy.load import EffectivePolicy


def policy_entry_json(found: "EffectivePolicy") -> dict[str, Any]:
    """Return a policy of a list of policies."""
    policy = found.policy
    return {
        "match": {"hosts": list(policy.match.hosts), "urls": list(policy.match.urls)},
        "name": policy.name,
        "parents": [parent.name for parent in policy.parents],
        "path": None if found.is_shipped else str(found.path),
        "reason": policy.reason,
    }


def policy_json(found: "EffectivePolicy") -> dict[str, Any]:
    from snapshotter.policy.difference import values

    return {
        "name": found.policy.name,
        "parents": [
            {"name": parent.name, "sha256": parent.sha256} for parent in found.policy.parents
        ],
        "path": str(found.path),
        "values": {
            key: {"from": found.origins.get(key), "value": value}
            for key, value in values(found.policy).items()
        },
    }


def explanation_json(found: "Explanation") -> dict[str, Any]:
    """Return what `policy explain --json` prints (docs/reference/json.md)."""
    cost = found.cost
    return {
        "at_most_s": found.at_most_s,
        "cost": None if cost is None else _cost_json(cost),
        "light": found.light,
        "observers": [
            {"from": observer.from_where, "learns": observer.learns, "who": observer.whole_name}
            for observer in found.observers
        ],
        "others": [{"name": candidate.name, "why": candidate.why} for candidate in found.rejected],
        "policy": found.effective.policy.name,
        "redaction": {
            "headers": list(found.redaction.headers),
            "identity": found.redaction.identity,
            "mode": found.redaction.mode,
            "own_names": found.redaction.own_names,
            "salts": found.redaction.salts or None,
            "stripped": list(found.redaction.parameters),
            "url_params": list(found.redaction.url_params),
            "viewer_fields": list(found.redaction.viewer_fields),
            "visited_url": found.redaction.visited,
        },
        "rules": [
            {
                "applies": rules.applies,
                "id": rules.id,
                "rules": rules.count,
                "version": rules.version,
            }
            for rules in found.rules
        ],
        "timestamps_at_most_s": found.tokens_s,
        "url": found.url,
        "watch": None if found.watch is None else _watch_json(found.watch),
        "why": found.why,
    }


def _watch_json(watch: "Monitoring") -> dict[str, Any]:
    return {
        "confirm_after_s": round(watch.confirm.after.total_seconds()),
        "confirm_times": watch.confirm.times,
        "control": watch.confirm.control,
        "proof": watch.proof,
        "second_vantage": watch.second_vantage or None,
        "visits_after_a_removal": len(watch.after_gone),
    }


def _cost_json(cost: "VisitCost") -> dict[str, Any]:
    return {
        "budget_per_day": cost.budget_per_day,
        "first_day": cost.first_day,
        "fits_per_day": cost.fits_per_day,
        "host": cost.host,
        "in_all": cost.in_all,
        "new_pages_per_day": {
            "by_budget": cost.pages_per_day(cost.in_all, cost.budget_per_day),
            "by_pace": cost.pages_per_day(cost.in_all, cost.fits_per_day),
            "by_pace_three_days_only": cost.pages_per_day(cost.three_days, cost.fits_per_day),
        },
        "plan": cost.words,
        "three_days": cost.three_days,
    }


def host_visits_json(host: "HostVisits") -> dict[str, Any]:
    """Return what `policy explain --list --json` prints of one host."""
    return {
        "budget_per_day": host.budget_per_day,
        "first_day": host.first_day,
        "first_visits_take_s": round(host.takes.total_seconds()),
        "host": host.host,
        "in_all": host.in_all,
        "is_over_budget": host.is_over,
        "pages": host.pages,
        "policies": list(host.policies),
        "three_days": host.three_days,
    }
