"""The child process in which model files load and predict, and the parent's side of it.

The parent sends features, never labels; the child answers arrays, which the parent checks before it believes them.

The order in the child is the protection: limits, Landlock (`landlock`, `grants`), then imports, then the filter of
system calls (`seccomp`, `bpf`, `syscalls`), which `seal` tries and reports and `isolation` confirms; only then is the
model's file opened. Beside it runs a `keeper`, which outlives both; `watch` bounds what the kernel doesn't.
"""
