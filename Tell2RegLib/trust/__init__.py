"""Trust in propagated targets: predicted errors, what they rest on, and verdicts."""
