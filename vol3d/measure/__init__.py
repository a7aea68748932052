"""Measurements on volumes and masks: body, region, quality, and the facts of a case."""
