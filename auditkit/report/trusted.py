"""Files that could run code and were loaded because somebody named them: what every report says of them."""

from __future__ import annotations

from auditkit.core.audit import Audit
from auditkit.report.messages import cut, text
from auditkit.report.text import line

#: So many are named one by one; the rest stands in `audit.json`.
MOST = 20


def trusted_files(audit: Audit) -> tuple[str, ...]:
    """One sentence for each file, and one more where no sandbox held them."""
    files = audit.model.trusted
    said = [text(f"trusted.{f.by}", path=line(f.path, 200), sha256=line(f.sha256)) for f in files[:MOST]]
    left_out = cut("more.rows", MOST, len(files))
    bare = text("limit.sandbox") if files and unconfined(audit) else None
    return (*said, *filter(None, (left_out, bare)))


def unconfined(audit: Audit) -> bool:
    """Whether the command line did without the sandbox."""
    return "(--no-sandbox)" in audit.environment.isolation


def granted(audit: Audit) -> str:
    """The flags that a command needs to make the same audit again, with a space before each."""
    files = audit.model.trusted
    digests = dict.fromkeys(line(file.sha256) for file in files if file.by == "digest")
    code = " --trust-code" if any(file.by == "code" for file in files) else ""
    bare = " --no-sandbox" if unconfined(audit) else ""
    return "".join(f" --trust sha256:{digest}" for digest in digests) + code + bare
