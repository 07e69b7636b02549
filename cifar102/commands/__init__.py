"""The commands of `python -m cifar102`: one room a word of the command line.

Read in this order: dispatch (which word does what), resampling (`resample`), recordings (`record`, `report`), leakage
(`duplicates`), calibrate (the duplicate score fitted), neighbours, records (`show`, `export`), benchmarks (`bench`) and
bench_worker (its other side), environments (of other people's packages). This face offers no names: bench_worker also
runs in an environment that has PyTorch and numpy alone, without lazy_loader.
"""
