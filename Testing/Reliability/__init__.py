"""Attacks on the files that Tell2Reg writes and reads: kills, full disks, concurrent runs and damage."""
