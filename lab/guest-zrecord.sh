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
sh /host/work.sh
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
echo "final $(grep . /sys/kernel/debug/zswap/* 2>/dev/null | sed 's#.*/##' | tr '\n' ' ')"
