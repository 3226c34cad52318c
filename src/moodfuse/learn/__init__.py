import os

# Threads that wait for one another at the end of each product spin for seconds by default, and so take the cores from a
# second training, which then takes five times as long; after 3,000 turns they sleep (benchmarks/speed/side_by_side.py).
# GNU's OpenMP, which PyTorch brings on Linux, reads this once, when PyTorch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
