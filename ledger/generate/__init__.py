"""An invented population for tests, benchmarks and demonstrations (`career-ledger generate`): pure, deterministic, no
real person."""

from .output import write
from .population import generate
from .shares import Shares

__all__ = ["Shares", "generate", "write"]
