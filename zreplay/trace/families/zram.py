"""zram: a page index for offset, and calls that are probed at their begin only.

It puts no header in front of an object. Of its calls only the user's writeback to the backing device has a return.
"""

from zreplay.trace.families.family import Family

FAMILY = Family(name="zram", model="zram", since=(3, 14), before=None, probes={"rw": "", "bio": "", "slotfree": ""})
