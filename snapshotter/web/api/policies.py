"""Show policies, and explain how a page would be captured."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from snapshotter.app.json_objects.policies import (
    explanation_json,
    policy_entry_json,
    policy_json,
)
from snapshotter.app.monitoring.remote_requests import checked_policy, checked_urls
from snapshotter.app.policies import capture_preview
from snapshotter.errors import UsageMistake
from snapshotter.policy.load import EffectivePolicy, load_effective
from snapshotter.policy.policy_selection import AUTO, known_policies
from snapshotter.translation import tr
from snapshotter.web.api.dependencies import Context
from snapshotter.web.api.models import policies as models
from snapshotter.web.api.models.policies import PolicyName
from snapshotter.web.api.problem import not_found

router = APIRouter(tags=["policies"])


@router.get("/policies")
def list_policies(context: Context) -> models.PolicyList:
    """List the shipped policies, and those of this installation."""
    found = known_policies(context.settings.policies_dir)
    return models.PolicyList.model_validate(
        {"policies": [_without_path(policy_entry_json(entry), entry) for entry in found]}
    )


@router.get("/policies/explain")
def explain_policy(
    context: Context,
    url: Annotated[
        str, Query(min_length=1, max_length=10_000, description="The address of the page.")
    ],
    policy: Annotated[
        str,
        Query(max_length=64, description="The name of a policy. Empty: the policy that applies."),
    ] = "",
) -> models.Explanation:
    """Show how a page would be captured, and why. No request is sent."""
    directory = context.settings.policies_dir
    (address,) = checked_urls([url])
    found = capture_preview.explain(
        context.settings,
        address,
        checked_policy(policy, directory),
        now=context.services.clock.now(),
    )
    shown = explanation_json(found)
    # The command prints the folders of the store and of the salts.
    for observer, disclosure in zip(shown["observers"], found.observers, strict=True):
        observer["who"] = disclosure.who
    redaction = shown["redaction"]
    redaction["salts_kept"] = redaction.pop("salts") is not None
    return models.Explanation.model_validate(shown)


@router.get("/policies/{name}")
def show_policy(context: Context, name: PolicyName) -> models.Policy:
    """Show a policy with every key, its value, and the policy that sets the value."""
    directory = context.settings.policies_dir
    try:
        checked_policy(name, directory)
    except UsageMistake as error:
        raise not_found(error.message, error.hint) from error
    if name == AUTO:
        raise not_found(tr("auto is no policy: it selects a policy by the address of the page"))
    found = load_effective(name, directory)
    return models.Policy.model_validate(_without_path(policy_json(found), found))


def _without_path(shown: dict[str, Any], policy: EffectivePolicy) -> dict[str, Any]:
    """Return a policy without the path of its file."""
    del shown["path"]
    return {**shown, "shipped": policy.is_shipped}
