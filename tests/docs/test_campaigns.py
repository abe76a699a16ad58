"""tests/campaigns.py takes its commands from docs/testing.md."""

from campaigns import commands

PAGE = """
## One

    python tests/fuzz/one.py --budget 60   # what it does
    python tests/fuzz/one.py --budget=60
    python tests/other.py --help

```sh
ENGINE=address python tests/core/two.py --rounds 7 --budget 30
```
"""


def test_commands_are_those_with_a_budget_each_once_with_the_one_given() -> None:
    assert commands(PAGE, 900) == [
        "python tests/fuzz/one.py --budget 900",
        "ENGINE=address python tests/core/two.py --rounds 7 --budget 900",
    ]
    assert commands(PAGE, 5, ["two"]) == ["ENGINE=address python tests/core/two.py --rounds 7 --budget 5"]
