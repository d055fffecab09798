"""The peers of P6: the smallest app of each queue library, one job for each message, which does nothing.

The apps and the meter run in the environment of `bench.peers` and import nothing of the product; `QUEUE_URL` names the
Valkey that they share with it. `race` runs them, from the benchmark's own environment.
"""
