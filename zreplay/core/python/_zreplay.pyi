"""The engine, as mypy sees it."""

from collections.abc import Sequence

# ---- trace/synth ----

class Columns:
    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...

class Synth:
    def __init__(self, recipe: object, size_weights: Sequence[int]) -> None: ...
    def next(self, rows: int) -> Columns: ...

def synth_draws(seed: int, count: int) -> list[int]: ...
