"""Numbers of a sample as of the whole, by hand."""

from zreplay.trace.sample import Sample
from zreplay.tune.sampled import put_right, scaled_up


def test_counts_are_multiplied_states_and_shares_and_the_memory_managers_demands_are_not():
    row = {
        "device_reads": 12,
        "pool_pages_peak": 800,
        "pool_pages_mean": 512.5,
        "compactions": 3,
        "movable_percent": 50.0,
    }
    assert scaled_up(row, Sample(1, 16), tuple(row)) == {**row, "device_reads": 192}


def test_a_neighbour_puts_counts_right_by_events_and_states_by_a_factor():
    sampled = {"device_reads": 480.0, "pool_pages_mean": 1000.0}
    near_sampled = {"device_reads": 160.0, "pool_pages_mean": 1200.0}
    near = {"device_reads": 100.0, "pool_pages_mean": 900.0}
    assert put_right(sampled, near_sampled, near) == {"device_reads": 420.0, "pool_pages_mean": 750.0}


def test_a_count_is_never_put_below_0_and_a_neighbour_without_pages_changes_none():
    found = put_right(
        {"device_reads": 10.0, "pool_pages_mean": 7.0},
        {"device_reads": 90.0, "pool_pages_mean": 0.0},
        {"device_reads": 20.0, "pool_pages_mean": 5.0},
    )
    assert found == {"device_reads": 0.0, "pool_pages_mean": 7.0}
