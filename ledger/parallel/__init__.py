"""Work in parts, on other processes: one way to hand it out (`in_order`), two engines behind `concurrent.futures`.

`processes` makes a ProcessPoolExecutor of this machine, `cluster` an executor of a Dask cluster. What is handed out are
functions of modules that give the same for the same part, wherever and how often they run: a part that fails with its
worker is done again, and results come in the order of the parts. So they do not depend on how many work, or how fast.
"""

from .engine import HERE, EngineFailed, How, processors
from .handing import in_order

__all__ = ["HERE", "EngineFailed", "How", "in_order", "processors"]
