"""What happens only because time has passed. Each sweep is `run(now, limit) -> int`: how much it did.

A sweep finds its work by a column with a partial index, takes it with SKIP LOCKED, and may run anywhere, any
number of times at once. They need an application context and no Redis.
"""
