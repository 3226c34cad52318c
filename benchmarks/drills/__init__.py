"""The parts of `drill.py`: good inputs, what is done to them, what reads them, and processes that are killed."""
