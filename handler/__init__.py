"""What runs in Lambda. This is imported before anything else of it."""

import time

BEGAN = time.perf_counter()
"""When the function's start began, before its own imports."""
