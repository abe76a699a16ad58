"""Swap slots as each kernel gives them out: orders worked out by hand from the rules in core/trace/swap_area.hpp."""

import _zreplay
import pytest


def slots(pages: int, search: str, *, cpus: int = 1, types: int = 1, caches: bool = False) -> _zreplay.SwapSlots:
    areas = {
        "types": types,
        "area_pages": pages,
        "cluster_slots": 256,
        "search": search,
        "cpus": cpus,
        "caches": caches,
    }
    return _zreplay.SwapSlots(areas)


def take(area: _zreplay.SwapSlots, count: int, cpu: int = 0) -> list[int]:
    return [area.allocate(cpu)[1] for _ in range(count)]


CLUSTERS = ("clusters_6_1", "clusters_6_12")


@pytest.mark.parametrize("search", CLUSTERS)
def test_each_cpu_fills_a_cluster_of_its_own_in_order(search):
    area = slots(2047, search, cpus=2)  # clusters 0 to 7; 0 has the header and is not free
    assert take(area, 3, cpu=0) == [256, 257, 258]
    assert take(area, 2, cpu=1) == [512, 513]
    assert take(area, 254, cpu=0) == [*range(259, 512), 768]


@pytest.mark.parametrize("search", CLUSTERS)
def test_a_freed_cluster_goes_to_the_end_of_the_queue(search):
    area = slots(2047, search)
    assert take(area, 257) == [*range(256, 513)]
    for offset in range(256, 512):
        assert area.free(0, 0, offset) == [(0, offset)]
    assert take(area, 2047 - 512) == [*range(513, 2048)]
    assert take(area, 2) == [256, 257]


@pytest.mark.parametrize("search", CLUSTERS)
def test_at_swapon_one_cluster_of_each_64_megabytes_is_queued_in_turn(search):
    area = slots(3 * 16384 - 1, search)  # clusters 0 to 191, in columns of 64
    order = [offset // 256 for offset in take(area, 5 * 256)[::256]]
    assert order == [64, 128, 1, 65, 129]


def test_6_1_without_a_free_cluster_scans_from_where_it_was():
    area = slots(511, "clusters_6_1")  # clusters 0, which has the header, and 1
    assert take(area, 256) == [*range(256, 512)]
    # From behind 511 round to the first free slot; then, as every scan begins one slot on, every other one.
    assert take(area, 3) == [1, 3, 5]
    area.free(0, 0, 256)
    assert take(area, 1) == [7]


def test_6_1_leaves_a_cluster_that_came_free_behind_it():
    area = slots(1023, "clusters_6_1")  # clusters 0 to 3
    assert take(area, 2) == [256, 257]
    area.free(0, 0, 256)
    area.free(0, 0, 257)  # now cluster 1 is the last of the queue, behind 2 and 3
    assert take(area, 2) == [512, 513]


def test_6_12_without_a_free_cluster_fills_up_the_first_that_is_not_full():
    area = slots(511, "clusters_6_12")
    assert take(area, 256) == [*range(256, 512)]
    assert take(area, 2) == [1, 2]  # cluster 0, at its first free slot
    area.free(0, 0, 300)
    area.free(0, 0, 299)
    area.free(0, 0, 1)
    assert take(area, 253) == [*range(3, 256)]  # it goes on in its cluster
    assert take(area, 4) == [299, 300, 1, 0]  # then cluster 1, full before, then 0 again; then there is none


def test_a_rotating_disk_is_filled_by_runs_of_a_cluster_and_then_where_it_can():
    area = slots(1000, "scan")
    assert take(area, 256) == [*range(1, 257)]
    area.free(0, 0, 10)
    area.free(0, 0, 11)
    # Runs of 256 free slots from the begin on; at 769 fewer than 256 are free in all, and it just goes on; then round.
    assert take(area, 744 + 3) == [*range(257, 1001), 10, 11, 0]


def test_a_rotating_disk_begins_a_run_wherever_one_is_free():
    area = slots(2000, "scan")
    assert take(area, 512) == [*range(1, 513)]
    for offset in range(101, 357):
        area.free(0, 0, offset)
    assert take(area, 257) == [*range(101, 357), 513]


def test_a_cpu_takes_64_slots_at_a_time_and_returns_64_at_a_time():
    area = slots(2047, "clusters_6_1", cpus=2, caches=True)
    assert take(area, 1, cpu=0) == [256]
    assert take(area, 1, cpu=1) == [512]
    assert take(area, 64, cpu=0) == [*range(257, 321)]
    freed = [*range(256, 320)][::-1]
    for offset in freed:
        assert area.free(0, 0, offset) == []
    assert area.free(1, 0, 512) == []  # another CPU has another cache
    assert area.free(0, 0, 320) == [(0, offset) for offset in freed]


def test_areas_take_turns_by_64_slots_and_freed_ones_are_sorted_by_area():
    area = slots(2047, "clusters_6_12", types=2, caches=True)
    taken = [area.allocate(0) for _ in range(130)]
    assert taken[:64] == [(0, 256 + i) for i in range(64)]
    assert taken[64:128] == [(1, 256 + i) for i in range(64)]
    assert taken[128:] == [(0, 320), (0, 321)]
    mixed = [slot for pair in zip(taken[:32], taken[64:96], strict=True) for slot in pair]
    for kind, offset in mixed:
        assert area.free(0, kind, offset) == []
    assert area.free(0, *taken[40]) == [*taken[:32], *taken[64:96]]


@pytest.mark.parametrize("search", [*CLUSTERS, "scan"])
@pytest.mark.parametrize("caches", [False, True])
def test_no_slot_is_given_out_twice_and_all_are_given_out(search, caches):
    area = slots(3000, search, cpus=2, caches=caches)
    live, word = set(), 1
    for step in range(30_000):
        word = word * 6364136223846793005 + 1442695040888963407 & 2**64 - 1
        cpu, choice = word >> 33 & 1, word >> 34
        if live and (len(live) > 2700 or choice % 100 < (45 if step % 8000 < 5000 else 60)):
            offset = sorted(live)[choice % len(live)] if step % 50 == 0 else live.pop()
            live.discard(offset)
            area.free(cpu, 0, offset)
        else:
            offset = area.allocate(cpu)[1]
            assert 1 <= offset <= 3000
            assert offset not in live
            live.add(offset)
    if not caches:
        rest = take(area, 3000 - len(live))
        assert live | set(rest) == set(range(1, 3001))
        assert take(area, 1) == [0]


def test_6_12_two_cpus_share_the_only_cluster_that_is_not_full():
    area = slots(255, "clusters_6_12", cpus=2)  # cluster 0 alone
    assert [area.allocate(cpu)[1] for cpu in (0, 1, 0, 0, 1)] == [1, 2, 3, 4, 5]


def test_6_12_a_cpu_leaves_its_cluster_when_another_has_filled_it_up():
    area = slots(511, "clusters_6_12", cpus=2)
    assert take(area, 1, cpu=0) == [256]  # and 257 would be next
    assert take(area, 510, cpu=1) == [*range(1, 256), *range(257, 512)]
    assert take(area, 1, cpu=0) == [0]
    area.free(0, 0, 7)
    assert take(area, 1, cpu=0) == [7]


def test_6_1_the_last_free_slot_may_be_in_another_64_megabytes():
    area = slots(20_000, "clusters_6_1")
    assert sorted(take(area, 20_000)) == [*range(1, 20_001)]
    for offset in (100, 19_000, 100):  # with either no other is free, in no other 64 MB
        area.free(0, 0, offset)
        assert take(area, 2) == [offset, 0]


def test_a_rotating_disk_takes_what_is_at_hand_for_the_rest_of_64():
    area = slots(300, "scan", caches=True)
    assert take(area, 300) == [*range(1, 301)]
    odd = [*range(1, 300, 2)]
    for offset in odd:
        area.free(0, 0, offset)  # of the 150, 22 are still in the CPU's cache
    assert take(area, 129) == [*odd[:128], 0]
