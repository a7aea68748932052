"""Which phantom seeds are for training and which are held out."""

TRAIN_SEEDS_START = 0
BENCH_SEEDS_START = 10_000_000
"""Training uses seeds below this one; the benchmark walks upwards from it."""
