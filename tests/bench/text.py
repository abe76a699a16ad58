"""ftrace text of any length, in the styles there are, to be parsed against the clock."""

HANDLE = 0xFFFF_8880_0000_0000
STYLES = {
    "trace_pipe": "         kswapd0-38      [002] d..1. {s:5}.{us:06}: {event}: {point} {keys}",
    "record_tgid": "         kswapd0-38      (     38) [002] d..1. {s:5}.{us:06}: {event}: {point} {keys}",
    "latency": " kswapd0-38        2d..1. {all_us}us : {event}: {point} {keys}",
    "verbose": "         kswapd0      38   2 1 00000000 [{all_us:08x}] 4.000ms (+0.001ms): {event}: {point} {keys}",
    "trace-cmd": "         kswapd0-38      [002] {s:5}.{us:06}: {event}:                 {point} {keys}",
    "perf": "kswapd0    38 [002] {s:5}.{us:06}: zreplay:{event}: {point} {keys}",
}


def ftrace_text(style: str, text_bytes: int) -> bytes:
    """Stores, each invalidated a thousand stores later."""
    lines: list[str] = []
    clock = 4_000_000

    def add(event: str, point: str, keys: str) -> None:
        nonlocal clock
        clock += 3
        lines.append(
            STYLES[style].format(
                s=clock // 1_000_000, us=clock % 1_000_000, all_us=clock, event=event, point=point, keys=keys
            )
        )

    size = number = 0
    while size < text_bytes:
        first = len(lines)
        add("store", "(zswap_frontswap_store+0x0/0x910)", f"type=0 offset={number}")
        add("alloc", "(zpool_malloc+0x4/0x20)", f"size={1000 + number % 3000} pages=0")
        add("alloc_ret", "(zswap_frontswap_store+0x12/0x30 <- zpool_malloc)", "ret=0")
        add("map", "(zpool_map_handle+0x4/0x20)", f"handle={HANDLE + 64 * number:#x}")
        add("store_ret", "(__frontswap_store+0x109/0x300 <- zswap_frontswap_store)", "ret=0")
        if number >= 1000:
            add("invalidate", "(zswap_frontswap_invalidate_page+0x0/0x90)", f"type=0 offset={number - 1000}")
            add("free", "(zpool_free+0x4/0x20)", f"handle={HANDLE + 64 * (number - 1000):#x}")
            add("invalidate_ret", "(__frontswap_invalidate_page+0x56/0xd0 <- probe)", "")
        size += sum(len(line) + 1 for line in lines[first:])
        number += 1
    return "\n".join(lines).encode()
