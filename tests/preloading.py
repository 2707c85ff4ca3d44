"""What commands import and read: a server of forks does it once for all its forks."""

from dataclasses import replace
from datetime import UTC, datetime


def import_commands() -> None:
    """Import what most commands of the product import when they run."""
    # ruff: noqa: F401
    from snapshotter.app import settings
    from snapshotter.app.archive import comparison, encrypted_streams
    from snapshotter.app.pipeline import run, series
    from snapshotter.app.takedown import campaign_verification, pack_verification
    from snapshotter.app.wiring import capture, proof, queue, takedown, trust, upkeep
    from snapshotter.cli import batch, diff, export, main, policy, show, verify
    from snapshotter.cli import capture as _capture
    from snapshotter.cli import trust as _trust
    from snapshotter.verify import bundle, proof_pack


def prepare_captures() -> None:
    """
    Import what a capture imports when it runs, and do what it does once in a process.

    That is half of the Python of a capture of a small page: the shipped rules are parsed, the
    libraries that look for the main text read their lists of words, and the browser is hashed.
    """
    # ruff: noqa: F401
    import boto3.session
    import zxingcpp
    from cryptography.hazmat.backends.openssl import backend
    from PIL import Image

    from snapshotter.app.pipeline import host_pacing, url_run
    from snapshotter.app.policies import capture_options, decisions
    from snapshotter.assess.assessor import RuleAssessor
    from snapshotter.capture import engine
    from snapshotter.capture.browser.binary import find_browser
    from snapshotter.capture.browser.binary_digest import binary_sha256
    from snapshotter.model.page import Page
    from snapshotter.model.request import Decision
    from snapshotter.policy.takedown_rules import load_rules, shipped_rules
    from snapshotter.seal import log_key
    from snapshotter.store import directory_compare_and_swap, directory_locks, filesystem, s3

    Image.preinit()
    decision = Decision(policy_name="any", policy_text="")
    texts = tuple((rules.file.id, rules.text) for rules in load_rules(shipped_rules()))
    assessor = RuleAssessor.of(
        replace(decision, verdict=replace(decision.verdict, rule_texts=texts))
    )
    assessor.assess(
        Page(
            requested_url="http://example.test/",
            final_url="http://example.test/",
            captured_at=datetime(2026, 1, 1, tzinfo=UTC),
            timezone="UTC",
            locale="en",
            status=200,
            media_type="text/html",
            html="<!doctype html><title>A page</title><p>A page without a main text.",
        )
    )
    if (browser := find_browser("shell")) is not None:
        binary_sha256(browser.path)
