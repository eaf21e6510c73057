"""What every other part shares: errors, findings, evidence, and the protocols that parts speak through."""
