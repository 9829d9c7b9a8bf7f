"""Faults injected from outside into real processes under load: signals, killed processes, full disks."""
