"""Moving pictures: clips."""
