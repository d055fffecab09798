"""The benchmarks: what the product does, beside a peer or a limit measured in the same run.

`python -m bench` runs all, `python -m bench p4 p8` some, `--short` tries them quickly. Each starts what it needs,
prints one table and appends one JSON line to `build/bench.jsonl`. Figures of two runs on a shared machine differ by a
quarter; the ratios within one run are what counts. `docs/performance.md` says what they mean.
"""
