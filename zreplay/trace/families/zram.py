"""zram: a page index for offset, and calls that are probed at their begin only. It puts no header in front of an object."""

from zreplay.trace.families.family import Family

FAMILY = Family(name="zram", model="zram", since=(3, 14), before=None, probes={"rw": "", "bio": "", "slotfree": ""})
