"""What a killed recording leaves in tracefs is known by its process, which is gone."""

from zreplay.record.tracing import cleanup, leftovers

GONE = 2**22 + 7  # beyond the kernel's largest PID


def tracefs(folder, *groups: str):
    (folder / "instances").mkdir()
    lines = [f"p:{group}/store zswap_store swap=+40($arg1):u64" for group in groups]
    (folder / "kprobe_events").write_text("".join(line + "\n" for line in lines))
    return folder


def test_leftovers_are_those_of_processes_that_are_gone(tmp_path):
    folder = tracefs(tmp_path, f"zreplay_{GONE}", f"zreplay_{GONE}_1", "zreplay", "mine", f"notzreplay_{GONE}")
    (folder / "instances" / f"zreplay_{GONE + 1}").mkdir()
    (folder / "instances" / "somebody").mkdir()
    assert leftovers(folder) == [f"zreplay_{GONE}", f"zreplay_{GONE + 1}"]


def test_cleanup_removes_the_instance_and_the_probes_and_nothing_else(tmp_path):
    folder = tracefs(tmp_path, f"zreplay_{GONE}", f"zreplay_{GONE}_1", "mine")
    before = (folder / "kprobe_events").read_text()
    (folder / "instances" / f"zreplay_{GONE}").mkdir()
    assert cleanup(folder) == [f"zreplay_{GONE}"]
    assert not (folder / "instances" / f"zreplay_{GONE}").exists()
    said = (folder / "kprobe_events").read_text().removeprefix(before)
    assert said == f"-:zreplay_{GONE}/store\n-:zreplay_{GONE}_1/store\n"
