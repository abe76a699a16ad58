"""Heights and sizes of radix trees, against what was published about them."""

from studies.reenactments import claims


def test_offset_as_key_saves_seven_levels():
    claims.LEVELS.check()


def test_radix_node_takes_568_bytes_and_28_share_a_slab():
    claims.NODE.check()


def test_a_gibibyte_of_swap_has_16_address_spaces():
    claims.ADDRESS_SPACES.check()
