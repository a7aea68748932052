"""Which phantom seeds are for training and which are held out."""

TRAIN_SEEDS_START = 0
BENCH_SEEDS_START = 10_000_000
"""Training uses seeds below this one; the benchmark walks upwards from it."""
SUBJECT_BENCH_SEEDS_START = 20_000_000
"""First seed of PhantomBench; training on synthetic subjects uses seeds below BENCH_SEEDS_START."""
ABSTENTION_BENCH_SEEDS_START = 30_000_000
"""First seed of the cases of which parts are cut off or removed."""
