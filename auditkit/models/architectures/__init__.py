"""Networks that `auditkit train` can build."""
