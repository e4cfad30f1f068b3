"""Attacks on the files that Tell2Reg writes: kills, full disks and concurrent runs (docs/reliability.md)."""
