"""Measurements: proxy comparison, soak, micro benchmarks, instruction counts. Nothing here ships in the wheel."""
