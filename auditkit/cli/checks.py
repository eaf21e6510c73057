"""`auditkit checks` and `auditkit explain`."""

from __future__ import annotations

import click

from auditkit.cli.output import emit


@click.command("checks")
def checks() -> int:
    """List the checks, with what each one measures in one line."""
    from auditkit.checks.registry import CHECKS
    from auditkit.core.check import page

    names = CHECKS.names()
    width = max(len(name) for name in names)
    for name in names:
        summary = page(CHECKS.get(name))["summary"].splitlines()[0]
        emit(f"{name:<{width}}  {summary}")
    return 0


@click.command("explain")
@click.argument("check")
def explain(check: str) -> int:
    """Say what CHECK measures, how, what it assumes, how to read it, its options and its source."""
    from auditkit.checks.registry import CHECKS
    from auditkit.core.check import page

    kind = CHECKS.get(check)
    sections = page(kind)
    emit(f"{kind.id}: {kind.title}\n\n{sections.pop('summary')}")
    for name, text in sections.items():
        emit(f"\n{name.capitalize()}:\n{text}")
    if kind.model_fields:
        emit("\nOptions (in the plan, under `checks:`):")
        for name, info in kind.model_fields.items():
            about = f"  {info.description}" if info.description else ""
            emit(f"    {name}: {info.get_default(call_default_factory=True)!r}{about}")
    return 0
