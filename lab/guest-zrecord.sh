# Runs in the guest: `zreplay record` does what guest-record.sh does by hand. Before it, while it runs and after it the
# tracing file system is compared: nothing of it may stay.
. /host/params                       # as for guest-record.sh, and ZREPLAY
T=/sys/kernel/tracing
if [ "$KIND" = zswap ]; then
  P=/sys/module/zswap/parameters
  echo $POOL > $P/zpool; echo $COMPRESSOR > $P/compressor; echo $PERCENT > $P/max_pool_percent
  echo $ACCEPT > $P/accept_threshold_percent; echo Y > $P/enabled
  [ -f $P/shrinker_enabled ] && echo $SHRINKER > $P/shrinker_enabled
  DEVICE=/dev/vda
else
  Z=/sys/block/zram0
  echo $COMPRESSOR > $Z/comp_algorithm; echo $DISKSIZE > $Z/disksize
  DEVICE=/dev/zram0
fi
mkswap $DEVICE > /dev/null; swapon $DEVICE
zreplay() { chroot /root $ZREPLAY "$@"; }
state() { ls $T/instances; cat $T/kprobe_events; ls $T/events; }
exec > /host/log.txt 2>&1
state > /host/before
zreplay record --doctor
chroot /root $ZREPLAY record -o /mnt/rec.parquet --force --handles --buffer $BUFFER & recorder=$!
begun() { while kill -0 $recorder 2> /dev/null && [ ! -d /host/$1.parquet.parts ]; do sleep 1; done; }
begun rec; sleep 3
now() { cut -d' ' -f1 /proc/uptime; }
began=$(now); sh /host/work.sh; echo "work, recorded: $began to $(now) s"
sleep 1; grep -E 'VmHWM' /proc/$recorder/status; kill -TERM $recorder; wait $recorder
state > /host/after
cmp /host/before /host/after && echo "tracefs is as it was"
# Killed: what it had written stays readable, and --cleanup leaves tracefs as it was.
chroot /root $ZREPLAY record -o /mnt/killed.parquet --force --buffer $BUFFER & recorder=$!
begun killed
sh /host/work.sh & work=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -f /host/killed.parquet.parts/00001.parquet ] && break; sleep 2; done
kill -9 $recorder; wait $work
ls $T/instances
zreplay record --cleanup -o /mnt/killed.parquet
state > /host/after
cmp /host/before /host/after && echo "tracefs is as it was, after kill -9 and --cleanup"
# What it costs: the same work without a recorder; and an event in text and in binary, of a probe that is hit by each read.
began=$(now); sh /host/work.sh; echo "work, not recorded: $began to $(now) s"
mkdir $T/instances/cost; echo 65536 > $T/instances/cost/buffer_size_kb
echo 'p:zcost/read vfs_read size=$arg3:u64 pos=+0($arg4):u64' >> $T/kprobe_events
hits() { busybox dd if=/dev/zero of=/dev/null bs=1 count=300000 2>/dev/null; }
began=$(now); hits; echo "300000 reads: $began to $(now) s"
echo 1 > $T/instances/cost/events/zcost/enable
began=$(now); hits; echo "300000 reads, each an event: $began to $(now) s"
echo 0 > $T/instances/cost/events/zcost/enable
began=$(now); busybox timeout 60 busybox head -n 300000 $T/instances/cost/trace_pipe | wc -c; echo "as text: $began to $(now) s"
echo 1 > $T/instances/cost/events/zcost/enable; hits; echo 0 > $T/instances/cost/events/zcost/enable
began=$(now)
busybox timeout 60 busybox dd if=$T/instances/cost/per_cpu/cpu0/trace_pipe_raw of=/dev/null bs=4096 count=2500 2>&1 | tail -1; echo "as binary: $began to $(now) s"
rmdir $T/instances/cost; echo '-:zcost/read' >> $T/kprobe_events
echo "final $(grep . /sys/kernel/debug/zswap/* 2>/dev/null | sed 's#.*/##' | tr '\n' ' ')"
