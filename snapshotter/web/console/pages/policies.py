"""Show policies, and explain how a page would be captured."""

from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.app.monitoring.remote_requests import checked_policy, checked_urls
from snapshotter.app.policies import capture_preview
from snapshotter.app.policies.capture_preview import Explanation, RedactionSummary
from snapshotter.errors import SnapshotterError
from snapshotter.policy.load import EffectivePolicy, load_effective
from snapshotter.policy.policy_selection import AUTO, known_policies
from snapshotter.policy.policy_toml import as_toml
from snapshotter.translation import tr
from snapshotter.web.console.choices import policy_choices
from snapshotter.web.console.templating import respond, sentence
from snapshotter.web.context import context_of
from snapshotter.web.errors import NotFound

PATH: Final = "/policies"
_MAX_ADDRESS: Final = 10_000
_IDENTITY: Final = {
    "warn": tr("are searched for; a message lists the places where they are found"),
    "redact": tr("are redacted in texts, but not in pictures"),
    "stop": tr("are searched for; a capture that contains such a text is not stored"),
    "ignore": tr("are not searched for by this policy"),
}


def _list(request: Request) -> Response:
    context = context_of(request)
    found = known_policies(context.settings.policies_dir)
    return respond(
        request,
        "policies.html.j2",
        default=context.settings.policy,
        policies=policy_choices(context.settings),
        rows=[_row(entry) for entry in found],
    )


def _explain(request: Request) -> Response:
    context = context_of(request)
    settings = context.settings
    url = request.query_params.get("url", "").strip()[:_MAX_ADDRESS]
    policy = request.query_params.get("policy", "")[:64]
    found: Explanation | None = None
    errors: dict[str, str] = {}
    if url:
        name = "url"
        try:
            (address,) = checked_urls([url])
            name = "policy"
            checked_policy(policy, settings.policies_dir)
            found = capture_preview.explain(
                settings, address, policy, now=context.services.clock.now()
            )
        except SnapshotterError as error:  # shown beside the field
            errors[name] = " ".join(map(sentence, filter(None, (error.message, error.hint))))
    return respond(
        request,
        "policy_explain.html.j2",
        status_code=422 if errors else 200,
        errors=errors,
        facts=[] if found is None else _facts(found),
        found=found,
        given={"policy": policy, "url": url},
        policies=policy_choices(settings),
        redacted=[] if found is None else _redacted(found.redaction),
    )


def _show(request: Request) -> Response:
    name = request.path_params["name"]
    directory = context_of(request).settings.policies_dir
    try:
        checked_policy(name, directory)
    except SnapshotterError as error:
        raise NotFound(error.message) from error
    if name in ("", AUTO):
        raise NotFound(tr("the policy {name} does not exist", name=name))
    found = load_effective(name, directory)
    return respond(
        request,
        "policy.html.j2",
        is_own=_is_own(found),
        origins=sorted({origin for origin in found.origins.values() if origin}),
        parents=[(parent.name, policy_path(parent.name)) for parent in found.policy.parents],
        policy=found.policy,
        text=as_toml(found.policy),
    )


def policy_path(name: str) -> str:
    """Return the path of the page of a policy."""
    return f"{PATH}/{quote(name, safe='')}"


def _is_own(found: EffectivePolicy) -> bool:
    return not found.is_shipped


def _row(found: EffectivePolicy) -> dict[str, Any]:
    policy = found.policy
    return {
        "is_own": _is_own(found),
        "name": policy.name,
        "pages": [*policy.match.hosts, *policy.match.urls],
        "reason": policy.reason,
        "url": policy_path(policy.name),
    }


def _facts(found: Explanation) -> list[tuple[str, str]]:
    """Return what a capture would be like, as labels and sentences of ours."""
    rules = [
        tr("{id} {version} (number of rules: {count})", id=rules.id, version=rules.version,
           count=rules.count)
        for rules in found.rules
        if rules.applies
    ]  # fmt: skip
    tokens = (
        tr(", and at most {seconds:g} s for timestamp tokens", seconds=found.tokens_s)
        if found.tokens_s
        else ""
    )
    cost = found.cost
    visits = (
        tr("Once, because the policy has no schedule.")
        if cost is None
        else tr(
            "{words}: {first_day} on the first day, {three_days} in the first three days, {whole}.",
            words=cost.words,
            first_day=cost.first_day,
            three_days=cost.three_days,
            whole=tr("without end") if cost.in_all is None else f"{cost.in_all} in total",
        )
    )
    return [
        (tr("Why"), sentence(found.why)),
        (tr("Take-down rules"), ", ".join(rules) or tr("Only the general rules apply.")),
        (
            tr("Time"),
            tr("At most {seconds:g} s{tokens}.", seconds=found.at_most_s, tokens=tokens),
        ),
        (tr("Visits"), visits),
    ]


def _redacted(redaction: RedactionSummary) -> list[str]:
    """Return what never reaches a bundle in clear, each as a sentence."""
    said = []
    if redaction.parameters:
        said.append(
            tr("Removed from the address before the visit: {names}.",
               names=", ".join(redaction.parameters))
        )  # fmt: skip
    if redaction.headers:
        said.append(
            tr("Values of the headers {names} are replaced.", names=", ".join(redaction.headers))
        )
    if redaction.url_params:
        said.append(
            tr("Values of the parameters {names} are replaced in every address.",
               names=", ".join(redaction.url_params))
        )  # fmt: skip
    if redaction.viewer_fields:
        said.append(
            tr("Values in which pages describe their visitor are removed: {names}.",
               names=", ".join(redaction.viewer_fields))
        )  # fmt: skip
    identity = (
        _IDENTITY.get(redaction.identity, redaction.identity)
        if redaction.own_names
        else tr("are not searched for, because the setting identity_file is empty")
    )
    return [*said, tr("Texts that identify the capturing person {identity}.", identity=identity)]


routes = (
    Route(PATH, _list),
    Route(f"{PATH}/explain", _explain),
    Route(f"{PATH}/{{name}}", _show),
)
