#!/usr/bin/env bash
# Runs the audit, writes the job summary and the outputs. Exits with 0: the action's last step fails by the code.
set -uo pipefail

arguments=()
while IFS= read -r line; do
  [ -n "$line" ] && arguments+=("$line")
done <<< "${AUDITKIT_ARGS:-}"

code=0
if [ "${AUDITKIT_TRAIN:-false}" = true ]; then
  "$AUDITKIT_PYTHON" -m auditkit train "$AUDITKIT_PLAN" || code=$?
fi
if [ "$code" = 0 ]; then
  "$AUDITKIT_PYTHON" -m auditkit run "$AUDITKIT_PLAN" --out "$AUDITKIT_OUT" --format html,md "${arguments[@]+"${arguments[@]}"}" || code=$?
fi

# A run that fails early leaves what an earlier one wrote: only an audit that holds this exit code is this run's.
verdict=""
if [ -f "$AUDITKIT_OUT/audit.json" ]; then
  verdict=$("$AUDITKIT_PYTHON" -c '
import json, sys
audit = json.load(open(sys.argv[1], encoding="utf-8"))
print(audit["verdict"] if str(audit["exit_code"]) == sys.argv[2] else "")
' "$AUDITKIT_OUT/audit.json" "$code")
fi
if [ -n "$verdict" ] && [ -f "$AUDITKIT_OUT/summary.md" ]; then
  cat "$AUDITKIT_OUT/summary.md" >> "$GITHUB_STEP_SUMMARY"
else
  echo "The audit could not be finished (exit code $code); the log says why." >> "$GITHUB_STEP_SUMMARY"
fi
{
  echo "exit-code=$code"
  echo "verdict=$verdict"
} >> "$GITHUB_OUTPUT"
