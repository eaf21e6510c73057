"""What the README shows is true: its commands exist, its plan loads, its Python arguments are those of the API."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path

import pytest

import auditkit
from auditkit.cli.main import COMMANDS, cli
from auditkit.pipeline.document import parse_document
from auditkit.pipeline.plan import Plan

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_every_command_exists_and_is_told_of() -> None:
    shown = set(re.findall(r"\bauditkit (?!-)([a-z]+)\b", "\n".join(_blocks("sh"))))
    assert shown <= set(COMMANDS)
    assert set(COMMANDS) - shown <= {"demo"}
    assert "auditkit demo" in (ROOT / "Makefile").read_text() or "make demo" in README


def test_every_option_exists() -> None:
    for block in _blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            match = re.match(r"auditkit ([a-z]+)", line)
            if match is None:
                continue
            command = cli.get_command(None, match[1])  # type: ignore[arg-type]
            assert command is not None
            known = {option for parameter in command.params for option in parameter.opts}
            assert set(re.findall(r"(?<= )(--[a-z-]+)", line.partition("#")[0])) <= known, line


def test_the_plan_loads() -> None:
    plans = [block for block in _blocks("yaml") if block.startswith("name:")]
    assert plans
    for text in plans:
        Plan.model_validate_json(json.dumps(parse_document(text).value), strict=True)


def test_the_python_example_fits_the_api() -> None:
    (block,) = _blocks("python")
    calls = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    call = next(c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "audit")
    known = set(inspect.signature(auditkit.audit).parameters)
    assert {keyword.arg for keyword in call.keywords} <= known


@pytest.mark.parametrize("code", ["0", "1", "2", "3", "4", "5", "130"])
def test_exit_codes_are_told(code: str) -> None:
    assert re.search(rf"^\| {code}[ ,]", README, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "name", ["CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "NOTICE", "Makefile", "constraints.txt"]
)
def test_what_is_named_exists(name: str) -> None:
    assert (ROOT / name).is_file()


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
