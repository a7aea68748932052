"""Evaluation: benchmarks on held-out cases, and how sure their figures are."""
