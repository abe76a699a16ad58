# Runs in the guest: arms the probes, turns swap on, runs work.sh, saves the trace and the final counters.
T=/sys/kernel/tracing
. /host/params                       # KIND POOL COMPRESSOR PERCENT ACCEPT SHRINKER CPUS LOCKED DISKSIZE BACKING BUFFER
RELEASE=$(cat /proc/sys/kernel/osrelease)
echo $BUFFER > $T/buffer_size_kb; echo mono > $T/trace_clock; echo > $T/kprobe_events
probes() { cat >> $T/kprobe_events; }
known() { grep -q " $1\($\|[[:space:]]\)" /proc/kallsyms; }

# 1. The kernel's own parameters -------------------------------------------------------------------------------------
if [ "$KIND" = zswap ]; then
  P=/sys/module/zswap/parameters
  echo $POOL > $P/zpool; echo $COMPRESSOR > $P/compressor; echo $PERCENT > $P/max_pool_percent
  echo $ACCEPT > $P/accept_threshold_percent; echo Y > $P/enabled
  [ -f $P/shrinker_enabled ] && echo $SHRINKER > $P/shrinker_enabled
  DEVICE=/dev/vda
else
  Z=/sys/block/zram0
  echo $COMPRESSOR > $Z/comp_algorithm
  [ "$BACKING" = Y ] && echo /dev/vda > $Z/backing_dev      # the disk that holds the swap in the other kind
  echo $DISKSIZE > $Z/disksize
  DEVICE=/dev/zram0
fi

# 2. What asks: zswap or zram ----------------------------------------------------------------------------------------
# Offsets are of Debian's 6.1 and 6.12 (x86-64); the lab's README names the structures.
if [ "$KIND" = zram ]; then
  case $RELEASE in 6.1.*) DISK=856 ;; *) DISK=16 ;; esac                    # block_device.bd_disk
  case $RELEASE in 6.1.*) DEVT=660 ;; *) DEVT=676 ;; esac                   # device.devt: 20 bits of minor
  probes <<X
p:zreplay/slotfree zram_slot_free_notify index=%si:u64 dev=+4(+$DISK(%di)):u32
p:zreplay/bio zram_submit_bio op=+16(%di):u32 sector=+32(%di):u64 size=+40(%di):u32 dev=+4(+$DISK(+8(%di))):u32
p:zreplay/idle idle_store mode=+0(%dx):string dev=+$DEVT(%di):b20@0/32
r16:zreplay/idle_ret idle_store ret=\$retval:s64
p:zreplay/zwriteback writeback_store mode=+0(%dx):string dev=+$DEVT(%di):b20@0/32
r16:zreplay/zwriteback_ret writeback_store ret=\$retval:s64
X
  known zram_rw_page && probes <<X
p:zreplay/rw zram_rw_page sector=%si:u64 op=%cx:u32 dev=+4(+$DISK(%di)):u32
X
  case $RELEASE in 6.1.*) ZDISK=24 ;; *) ZDISK=56 ;; esac                   # zram.disk
  probes <<X
p:zreplay/slot zram_free_page index=%si:u64 dev=+4(+$ZDISK(%di)):u32
X
elif known zswap_frontswap_store; then                                      # up to 6.5
  C="stored=@zswap_stored_pages:s32 pool=@zswap_pool_total_size:u64"
  PLACE=; [ "$POOL" = z3fold ] && PLACE="place=+0(%si):x64"   # the handle's cell: an address in the object's page
  probes <<X
p:zreplay/store zswap_frontswap_store type=%di:u32 offset=%si:u64
r128:zreplay/store_ret zswap_frontswap_store ret=\$retval:s32 $C
p:zreplay/load zswap_frontswap_load type=%di:u32 offset=%si:u64
r128:zreplay/load_ret zswap_frontswap_load ret=\$retval:s32
p:zreplay/invalidate zswap_frontswap_invalidate_page type=%di:u32 offset=%si:u64
r128:zreplay/invalidate_ret zswap_frontswap_invalidate_page $C
p:zreplay/invalidate_area zswap_frontswap_invalidate_area type=%di:u32
p:zreplay/alloc zpool_malloc size=%si:u64
r128:zreplay/alloc_ret zpool_malloc ret=\$retval:s32
p:zreplay/map zpool_map_handle handle=%si:x64 $PLACE
p:zreplay/free zpool_free handle=%si:x64
p:zreplay/writeback zswap_writeback_entry handle=%si:x64
r128:zreplay/writeback_ret zswap_writeback_entry ret=\$retval:s32 $C
p:zreplay/shrink zpool_shrink pages=%si:u32
r128:zreplay/shrink_ret zpool_shrink ret=\$retval:s32 $C
X
else                                                                        # 6.12: folios, an LRU of entries
  C="stored=@zswap_stored_pages:s64"
  # Why a store was refused, from the counters at its return.
  WHY="limit=@zswap_pool_limit_hit:u64 poor=@zswap_reject_compress_poor:u64 fail=@zswap_reject_compress_fail:u64 full=@zswap_pool_reached_full:u8"
  # folio.swap 40, folio.memcg_data 56, mem_cgroup.id.id 208. An entry: swpentry 0, referenced 12, objcg 32, lru 40;
  # obj_cgroup.memcg 16; shrink_control: nid 4, nr_to_scan 8, memcg 24. An entry of the root has no objcg, and a probe
  # that cannot fetch prints what was there before: so two probes, each with a filter.
  V="swap=-40(%di):u64 referenced=-28(%di):u8 objcg=-8(%di):x64"
  probes <<X
p:zreplay/store zswap_store swap=+40(%di):u64 cgroup=+208(+56(%di)):u32
r128:zreplay/store_ret zswap_store ret=\$retval:u8 $C $WHY
p:zreplay/load zswap_load swap=+40(%di):u64
r128:zreplay/load_ret zswap_load ret=\$retval:u8 $C
p:zreplay/invalidate zswap_invalidate swap=%di:u64
r128:zreplay/invalidate_ret zswap_invalidate $C
p:zreplay/writeback zswap_writeback_entry swap=%si:u64
r128:zreplay/writeback_ret zswap_writeback_entry ret=\$retval:s32 $C
p:zreplay/visit shrink_memcg_cb $V cgroup=+208(+16(-8(%di))):u32
p:zroot/visit shrink_memcg_cb $V cgroup=\\1:u32
r128:zreplay/visit_ret shrink_memcg_cb ret=\$retval:s32
p:zreplay/scan zswap_shrinker_scan nr=+8(%si):u64 nid=+4(%si):s32 cgroup=+208(+24(%si)):u32
r128:zreplay/scan_ret zswap_shrinker_scan freed=\$retval:s64
p:zreplay/walk list_lru_walk_one lru=%di:x64 nid=%si:s32 cgroup=+208(%dx):u32 nr=+0(%r9):u64
p:zreplay/shrink shrink_worker work=%di:x64
r128:zreplay/shrink_ret shrink_worker
X
  echo 'objcg != 0' > $T/events/zreplay/visit/filter; echo 'objcg == 0' > $T/events/zroot/visit/filter
  echo "lru == 0x$(grep ' zswap_list_lru$' /proc/kallsyms | cut -c1-16)" > $T/events/zreplay/walk/filter
fi

# 3. The pool. `pages` is its own count before the call acts ------------------------------------------------------------
[ "$KIND" = zram ] && POOL=zsmalloc
N="pages=+2064(%di):u64"                                                    # zs_pool.pages_allocated
if [ "$POOL" = zsmalloc ]; then
  DEV=; [ "$KIND" = zram ] && DEV="dev=+4(+0(%di)):b4@0/8"                  # zs_pool.name is "zram0": the digit
  if [ "$KIND" = zram ] || ! known zswap_frontswap_store; then probes <<X
p:zreplay/alloc zs_malloc size=%si:u64 $N $DEV
r128:zreplay/alloc_ret zs_malloc handle=\$retval:x64
p:zreplay/free zs_free handle=%si:x64 $N $DEV
X
  fi
  if [ "$KIND" = zram ]; then probes <<X
p:zreplay/map zs_map_object handle=%si:x64 mode=%dx:u32
p:zreplay/compact zs_compact $N $DEV
r128:zreplay/compact_ret zs_compact freed=\$retval:u64
X
  else probes <<X
p:zreplay/compact zs_shrinker_scan nr=+24(%si):u64
r128:zreplay/compact_ret zs_shrinker_scan freed=\$retval:s64 $C
X
  fi
  probes <<X
p:zreplay/migrate zs_page_migrate newpage=%di:x64 page=%si:x64
r128:zreplay/migrate_ret zs_page_migrate ret=\$retval:s32
X
elif [ "$POOL" = z3fold ]; then probes <<X
p:zreplay/migrate z3fold_page_migrate newpage=%di:x64 page=%si:x64 vmemmap=@vmemmap_base:x64 direct=@page_offset_base:x64
r128:zreplay/migrate_ret z3fold_page_migrate ret=\$retval:s32 $C
X
elif ! known zswap_frontswap_store; then N="pages=+1016(+8(%di)):u64"       # zbud_pool.pages_nr, zpool.pool at 8
  probes <<X
p:zreplay/alloc zpool_malloc size=%si:u64 $N
r128:zreplay/alloc_ret zpool_malloc ret=\$retval:s32
p:zreplay/map zpool_map_handle handle=%si:x64
p:zreplay/free zpool_free handle=%si:x64 $N
X
fi

# 4. Inside the allocator's lock, where the order of two CPUs is decided. The points are instructions of these very
# kernels (the registers there hold the handle and the pool), so another release gets none. zbud counts pages after
# an allocation, before a free; `base` is the handle less 64.
if [ "$LOCKED" = Y ]; then case "$POOL $RELEASE" in
"zsmalloc 6.12.117+deb12-amd64") probes <<X
p:zreplay/locked obj_malloc free=\\0:u8 handle=%dx:x64 zspage=%si:x64 pages=+2064(%di):u64
p:zreplay/locked zs_free+0x86 free=\\1:u8 handle=%bx:x64 zspage=%r14:x64 pages=+2064(%bp):u64
X
;; "zsmalloc 6.1.0-56-amd64") probes <<X
p:zreplay/locked obj_malloc free=\\0:u8 handle=%dx:x64 zspage=%si:x64 pages=+2064(%di):u64
p:zreplay/locked zs_free+0x6d free=\\1:u8 handle=%bp:x64 zspage=%r14:x64 pages=+2064(%bx):u64
X
;; "zbud 6.12.117+deb12-amd64") probes <<X
p:zreplay/locked zbud_zpool_malloc+0x1cd free=\\0:u8 handle=%bp:x64 pages=+1016(%r14):u64
p:zbase/locked zbud_zpool_free+0x28 free=\\1:u8 base=%r12:x64 pages=+1016(%bp):u64
X
;; "zbud 6.1.0-56-amd64") probes <<X
p:zreplay/locked zbud_zpool_malloc+0x251 free=\\0:u8 handle=%bp:x64 pages=+1032(%r15):u64
p:zbase/locked zbud_zpool_free+0x24 free=\\1:u8 base=%bp:x64 pages=+1032(%r12):u64
p:zreplay/evicting zbud_zpool_shrink+0x18f page=%bp:x64 pages=+1032(%bx):u64
p:zreplay/evicted zbud_zpool_shrink+0xa9 page=%bp:x64 left=+16(%r15):x64 pages=+1032(%bx):u64
X
;; esac; fi

# 5. Record ----------------------------------------------------------------------------------------------------------
# From before mkswap on: what it writes to a zram is in the pool as well.
for group in zreplay zroot zbase; do [ -d $T/events/$group ] && echo 1 > $T/events/$group/enable; done
cat $T/trace_pipe > /host/trace.txt & reader=$!
mkswap $DEVICE > /dev/null; swapon $DEVICE
sh /host/work.sh > /host/work.log 2>&1
sleep 1; for group in zreplay zroot zbase; do [ -d $T/events/$group ] && echo 0 > $T/events/$group/enable; done
while cat $T/per_cpu/cpu*/stats | grep -q '^entries: [1-9]'; do sleep 1; done    # until the reader has caught up
sleep 1; kill $reader
{ cat /host/params; echo $RELEASE; cat $T/kprobe_events
  grep . /sys/kernel/debug/zswap/* | sed 's#.*/##'; grep -r . /sys/module/zswap/parameters | sed 's#.*/##'
  for z in /sys/block/zram*; do echo "${z##*/} mm_stat: $(cat $z/mm_stat)"; done
  [ "$BACKING" = Y ] && echo "zram0 bd_stat: $(cat /sys/block/zram0/bd_stat)"
  grep -m1 -o 'vmemmap=.*' /host/trace.txt
  grep -E 'pswp|zswap|zswp|compact|oom_kill' /proc/vmstat; grep -E 'MemTotal|Swap' /proc/meminfo
  for c in $T/per_cpu/cpu*/stats; do head -8 $c | tr '\n' ' '; echo; done; cat $T/kprobe_profile; } > /host/context.txt
