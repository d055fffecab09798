"""The peers of P6: the smallest app of each queue library, one job for each message, which does nothing.

They run in the environment of `bench.peers`, so nothing here imports the product or its libraries. `QUEUE_URL` names the
Valkey they share with it. `meter` notes how many jobs a process has done and when, without touching Valkey in a job.
"""
