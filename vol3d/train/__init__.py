"""Training: configurations, stages, and the loop on transformers' Trainer."""
