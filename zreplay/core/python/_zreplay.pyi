"""The engine, as Python sees it. Written by hand, one block per file of bindings."""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

#: Name and version of what this module was compiled with.
compiler: str

def keep_freed_memory() -> None: ...

class CheckFailed(AssertionError):
    """A structure found broken by its own check()."""

# --- bind_plugin.cpp ---

plugin_abi: int

class PluginFailed(RuntimeError):
    """What a plugin did wrong; the message names it."""

class PluggedIn(TypedDict):
    kind: str
    label: str
    name: str
    version: str
    summary: str
    like: str
    capabilities: int

def load_plugin(path: str, suffix: str) -> list[PluggedIn]: ...
def plug_in_class(
    kind: str,
    suffix: str,
    *,
    origin: str,
    name: str,
    version: str,
    summary: str,
    like: str,
    capabilities: int,
    positions_64: int,
    positions_32: int,
    optional: list[str],
    make: Callable[..., object],
    told: Callable[[BaseException], str],
) -> PluggedIn: ...

class Cost:
    """What operations of a plugin have cost: add to it."""

    nodes_visited: int
    cache_lines: int
    nodes_allocated: int
    nodes_freed: int
    slots_written: int
    tag_words_written: int
    headers_read: int

class PoolHost:
    """What a pool in Python may ask of its replay."""

    def evict(self, cookie: int) -> int: ...
    def moved(self, cookie: int, handle: int) -> None: ...

# --- bind_pools.cpp: a location is a word, as a slot of the index would hold it; errors are negative errno values ---

class PoolUsage(TypedDict):
    pages: int
    objects: int
    asked_bytes: int
    used_bytes: int
    movable_pages: int

class ClassRow(TypedDict):
    class_size: int | None
    free_chunks: int | None
    pages: int
    objects_used: int
    objects_allocated: int | None
    almost_empty: int | None
    almost_full: int | None
    full: int | None

class PoolMoves(TypedDict):
    pages_compacted: int
    objects_copied: int
    handles_rewritten: int
    pages_migrated: int

def pool_kinds() -> list[tuple[str, str]]: ...
def pool_is_bound(name: str) -> bool: ...

class Pool:
    def __init__(self, name: str, **options: object) -> None: ...
    def alloc(self, size_bytes: int, type: int = 0, offset: int = 0) -> tuple[int, int]: ...
    def free(self, location: int) -> None: ...
    def size(self, location: int) -> int: ...
    def entry(self, location: int) -> tuple[int, int]: ...
    def position(self, location: int) -> int: ...
    def page_id(self, location: int) -> int: ...
    def is_resident(self, location: int) -> bool: ...
    def set_resident(self, location: int) -> None: ...
    def object_index(self, location: int) -> int: ...
    def start_bytes(self, location: int) -> int: ...
    def reclaim(self, retries: int, evict: Callable[[int], bool]) -> int: ...
    def can_compact(self) -> int: ...
    def compact(self) -> int: ...
    def migrate(self, location: int) -> int | None: ...
    def locations(self) -> list[int]: ...
    def run_work(self) -> None: ...
    def set_cpu(self, cpu: int) -> None: ...
    def moves(self) -> PoolMoves: ...
    def apply(self, steps: object) -> tuple[int, int]: ...
    @property
    def pages(self) -> int: ...
    @property
    def headers_read(self) -> int: ...
    def usage(self) -> PoolUsage: ...
    def classes(self) -> list[ClassRow]: ...
    def check(self) -> None: ...

class Reclaim:
    def __init__(self, pool: Pool, retries: int) -> None: ...
    @property
    def victim(self) -> int: ...
    def result(self, evicted: bool) -> None: ...
    @property
    def error(self) -> int: ...

# --- bind_indexes.cpp: locations are words; 0 means not there ---

class IndexCost(TypedDict):
    nodes_visited: int
    cache_lines: int
    nodes_allocated: int
    nodes_freed: int
    slots_written: int
    tag_words_written: int

class IndexPositions(TypedDict):
    positions_64: int
    positions_32: int
    takes_values: bool
    is_bound: bool

def index_kinds() -> list[tuple[str, str]]: ...
def order_kinds() -> list[tuple[str, str]]: ...
def index_positions(name: str) -> IndexPositions: ...

class Index:
    def __init__(self, name: str, small: bool = False, words: str = "narrow", kernels_layout: bool = False) -> None: ...
    def find(self, type: int, offset: int) -> int: ...
    def insert(self, type: int, offset: int, word: int) -> int: ...
    def erase(self, type: int, offset: int) -> int: ...
    def update(self, type: int, offset: int, word: int) -> int: ...
    def items(self, type: int) -> list[tuple[int, int]]: ...
    def warm(self, keys: Sequence[tuple[int, int]]) -> list[int]: ...
    def apply(self, columns: object, check_every: int = 0, warm: bool = False) -> Columns: ...
    def check(self) -> None: ...
    def root_address(self, type: int) -> int: ...
    def cost(self) -> IndexCost: ...
    @property
    def entries(self) -> int: ...
    @property
    def nodes(self) -> int: ...
    @property
    def bytes(self) -> int: ...

class TimedIndex:
    def __init__(self, name: str, entries: int, seed: int, timing: bool = False) -> None: ...
    def run(self, operations: int) -> int: ...
    @property
    def sum(self) -> int: ...
    @property
    def entries(self) -> int: ...

# --- arrow.cpp, bind_replay.cpp ---

class Columns:
    """A record batch of the engine's; ``pyarrow.record_batch(columns)``, once."""

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...

class RecordedSizes:
    def learn(self, batch: object) -> None: ...
    def close(self) -> None: ...

def lacks_size(batch: object) -> bool: ...

class FutureLoads:
    def reserve(self, rows: int) -> None: ...
    def learn(self, batch: object) -> None: ...
    def close(self) -> None: ...
    def next_load(self, row: int) -> int: ...

class Calls: ...

class CallsAhead:
    def __init__(self) -> None: ...
    def add(self, batch: object) -> None: ...
    def take_before(self, row: int) -> Calls: ...

class Replay:
    @staticmethod
    def make(
        recorded_sizes: RecordedSizes | None = None,
        future_loads: FutureLoads | None = None,
        *,
        index: str = "rbtree",
        pool: str = "zbud",
        model: str = "zswap",
        kernel: str = "6.1",
        mm: str = "",
        slot_holds: str = "object",
        slot_positions: int = 0,
        movable: bool = False,
        mm_new_page: str = "head",
        mm_load: str = "reference",
        mm_join: str = "none",
        mm_first_time: str = "old",
        cma_every: int = 0,
        cma_percent: int = 10,
        driven: bool = False,
        paced: bool = False,
        totalram_pages: int | None = None,
        max_pool_percent: int = 20,
        accept_threshold_percent: int = 90,
        exclusive_loads: bool = False,
        keeps_incompressible: bool = False,
        cgroups: Sequence[int] = (),
        same_filled: bool = True,
        zsmalloc_rule: str = "a",
        zsmalloc_chain: int = 4,
        zsmalloc_groups: int = 4,
        z3fold_work: str = "immediate",
        z3fold_cpus: int = 1,
        z3fold_stays_claimed: bool = True,
        missing_size: str = "reject",
        seed: int = 0,
        sample_events: int = 1000,
        sample_ns: int = 0,
        check_every: int = 0,
        observe: bool = False,
        timing: bool = False,
        look_above_bytes: int = 5 << 20,
    ) -> Replay: ...
    def feed(self, batch: object, calls: Calls | None = None) -> None: ...
    def finish(self) -> None: ...
    def check(self) -> None: ...
    def index_root(self, type: int) -> int: ...
    def mm_root(self, type: int) -> int: ...
    def counters(self) -> dict[str, Any]: ...
    def operations(self) -> list[dict[str, Any]]: ...
    def take_timeline(self) -> Columns: ...
    def take_classes(self) -> Columns: ...
    def take_observations(self) -> Columns: ...
    @property
    def samples_waiting(self) -> int: ...

# --- bind_curve.cpp ---

class Curve:
    @staticmethod
    def make(recorded_sizes: RecordedSizes | None, sample: tuple[int, int], **settings: Any) -> Curve: ...
    def add(self, batch: object, calls: Calls | None = None) -> None: ...
    def counts(self) -> dict[str, int]: ...
    def at(self, limit_pages: int | None = None) -> dict[str, Any]: ...
    def stack_distances(self, sample: tuple[int, int]) -> tuple[list[int], list[int], int]: ...

# --- bind_synth.cpp ---

class Synth:
    def __init__(self, recipe: object, size_weights: Sequence[int]) -> None: ...
    def next(self, rows: int) -> Columns: ...

def synth_draws(seed: int, count: int) -> list[int]: ...

# --- bind_trace.cpp: batches are record batches in the trace's schema, as Trace.batches makes them ---

class ImportCounts:
    lines: int
    lost_events: int
    unreadable_lines: int
    backward_times: int
    unpaired_lines: int
    open_calls: int
    first_open_line: int
    other_events: int
    count_times: int
    without_cpu: int
    limit_refusals: int
    compress_refusals: int
    unexpected_stores: int
    pool_overlaps: int
    overlaps_by_lock: int
    overlaps_by_count: int
    unsure_pages: int
    spoiled_lines: int
    empty_discards: int
    kept_overwritten: int

class LineMerger:
    def __init__(self, inputs: int) -> None: ...
    def feed(self, input: int, text: bytes) -> None: ...
    def end(self, input: int) -> None: ...
    def wants(self) -> int: ...
    def take(self) -> bytes: ...

class TakenRows:
    def columns(self) -> Columns: ...

class FtraceImporter:
    def __init__(
        self,
        header_bytes: int,
        *,
        packed_slots: bool = False,
        taken_is_one: bool = False,
        load_is_errno: bool = False,
        loads_take: bool = False,
        same_filled_in_pool: bool = True,
        allocs_unanswered: bool = False,
        answers_errno: bool = False,
        max_pages: int = 0,
        accept_pages: int = 0,
        chain: int = 0,
        functions: dict[str, str] = {},
    ) -> None: ...
    def feed(self, text: bytes | bytearray | memoryview) -> None: ...
    def finish(self) -> None: ...
    @property
    def ready_rows(self) -> int: ...
    def take(self) -> Columns: ...
    def take_rows(self) -> TakenRows: ...
    @property
    def counts(self) -> ImportCounts: ...
    @property
    def messages(self) -> list[str]: ...
    @property
    def contradiction(self) -> str: ...

class RingBuffer:
    def __init__(self) -> None: ...
    def add_event(
        self, number: int, name: str, function: str, at_return: bool, fields: list[tuple[str, int, int, str]]
    ) -> None: ...
    def feed(self, cpu: int, page: bytes) -> int: ...
    def take(self, before_ns: int) -> bytes: ...
    @property
    def events(self) -> int: ...

class Sighting:
    events: dict[str, set[str]]
    names_frontswap: bool
    names_zsmalloc: bool
    allocs_answer: bool
    stores_answer_errno: bool
    stores_answer_boolean: bool

def sight(text: bytes, functions: dict[str, str] = {}) -> Sighting: ...
def renumbered(indices: object, numbers: list[int]) -> Columns: ...
def find_bad_row(batch: object, previous_ts_ns: int) -> tuple[int, str, str, str] | None: ...

class CheckFinding:
    name: str
    count: int
    first_rows: list[int]
    example: str

class Check:
    events: list[int]
    rows: int
    taken: int
    taken_out: int
    store_results: int
    seen_counts: int
    types_used: int
    types_stored: int
    offset_bits: int
    def __init__(self, *, pause_ns: int) -> None: ...
    def add(self, batch: object, unread: list[int] = ...) -> None: ...
    def findings(self) -> list[CheckFinding]: ...
    @property
    def distinct_stored(self) -> int: ...

class Cut:
    def __init__(
        self,
        reach: int,
        *,
        rows: tuple[int, int],
        ts_ns: tuple[int, int],
        types: int,
        cgroups: list[int],
        offsets: tuple[int, int],
        sample: tuple[int, int],
    ) -> None: ...
    def next(self, batch: object) -> Columns: ...
    @property
    def past_end(self) -> bool: ...

class SampledRows:
    slots: int
    stores: int
    loads: int
    def __init__(self, sample: tuple[int, int, int, int], reach: int, counts: bool = False) -> None: ...
    def next(self, batch: object) -> Columns: ...

class Survey:
    events: list[int]
    rows: int
    first_ts_ns: int
    last_ts_ns: int
    stores_rejected: int
    stores_same_filled: int
    stores_without_size: int
    loads_missed: int
    writebacks_failed: int
    compactions_interrupted: int
    shrinks_begun: int
    resident_peak: int
    def __init__(self) -> None: ...
    def add(self, batch: object) -> None: ...
    @property
    def distinct_slots(self) -> int: ...
    @property
    def sizes(self) -> list[int]: ...
