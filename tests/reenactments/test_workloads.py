"""What workloads are like and what compressed swap does for them, against what was published about it."""

from studies.reenactments import claims


def test_same_filled_pages_are_at_most_a_fifth():
    found = claims.SAME_FILLED.check()
    assert min(found.values()) > 0


def test_zstd_in_zsmalloc_keeps_more_than_four_pages_in_one():
    claims.ZSTD_RATIO.check()


def test_lz4_in_zram_keeps_about_two_pages_in_one():
    claims.ZRAM_RATIO.check()


def test_zswap_saves_most_of_the_swap_device_traffic():
    found = claims.DEVICE_TRAFFIC.check()
    assert found["zsmalloc, 6.1"] < -76 < found["zbud, 3.12"]  # the published pool was between the two
