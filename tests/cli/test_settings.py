"""Defaults from the environment and from a zreplay.toml: of every option of every verb, and whose word goes first."""

import json
from pathlib import Path

import click
import pytest
from cli.surface import leaves

LEAVES = dict(leaves())
#: Three values of any number that an option takes.
NUMBERS = ("64", "65", "66")


def options(command: click.Command) -> list[click.Option]:
    return [one for one in command.params if isinstance(one, click.Option) and not one.is_eager]


def name_of(option: click.Option) -> str:
    return max(option.opts, key=len).lstrip("-")


def values(option: click.Option) -> tuple[str, str, str]:
    """Values for the file, the environment and the command line."""
    if isinstance(option.type, click.Choice):
        one, two = list(option.type.choices)[:2]
        return one, two, one
    if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType):
        return NUMBERS
    return ("64s", "65s", "66s") if option.type.name == "duration" else ("a", "b", "c")


def least(command: click.Command, without: click.Option | None = None) -> list[str]:
    """What a verb must be given on the command line."""
    words = []
    for parameter in command.params:
        if isinstance(parameter, click.Argument) and parameter.required:
            words.append("bash" if isinstance(parameter.type, click.Choice) else "x")
        elif isinstance(parameter, click.Option) and parameter.required and parameter is not without:
            words += [parameter.opts[0], "x"]
    return words


def as_given(option: click.Option, text: str) -> object:
    context = click.Context(click.Command("x"))
    found = option.type.convert(text, option, context)
    return (found,) if option.multiple else found


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_the_command_line_goes_before_the_environment_before_the_file_before_the_default(
    zreplay, monkeypatch, tmp_path, path
):
    command = LEAVES[path]
    got: dict[str, object] = {}
    monkeypatch.setattr(command, "callback", lambda *_, **found: got.update(found))
    file = tmp_path / "mine.toml"
    for option in options(command):
        if not option.expose_value:
            continue
        key, variable = name_of(option), option.envvar
        assert variable == "_".join(("ZREPLAY", *path, key)).upper().replace("-", "_")
        if option.is_flag:
            written, expected, in_environment, words = "true", (True, False, True), "0", [option.opts[0]]
        else:
            of_file, in_environment, of_line = values(option)
            expected = tuple(as_given(option, text) for text in (of_file, in_environment, of_line))
            written, words = f'"{of_file}"', [option.opts[0], of_line]
        file.write_text(f"[{'.'.join(path)}]\n{key} = {written}\n")

        def call(*more: str, option: click.Option = option) -> object:
            got.clear()
            code, _, err = zreplay("--config", file, *path, *least(command, option), *more)
            assert code == 0, err
            return got[str(option.name)]

        assert call() == expected[0], key
        monkeypatch.setenv(str(variable), in_environment)
        assert call() == expected[1], key
        assert call(*words) == expected[2], key
        monkeypatch.delenv(str(variable))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_verb_has_json_and_verbose(path):
    names = [name for option in options(LEAVES[path]) for name in option.opts]
    assert "--json" in names and "-v" in names


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Writes zreplay.toml in the working directory."""
    monkeypatch.chdir(tmp_path)
    return (tmp_path / "zreplay.toml").write_text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[run]\n\npoool = 'zbud'\n", "zreplay.toml:3: found poool, expected an option of run; did you mean pool?"),
        ("[run]\nx.y = 1\n", "zreplay.toml:2: found x, expected an option of run"),
        ("[rum]\n", "zreplay.toml:1: found rum, expected a table of one of run, "),
        ("\npool = 'zbud'\n", "zreplay.toml:2: found pool, expected a table of one of "),
        ("[run]\nseed = [\n", "zreplay.toml: not TOML: "),
        ("[run]\nforce = true\n", "zreplay.toml:2: force: force can be set only by a file that is named: --config"),
        ("[sweep]\nscheduler = 'tcp://x:1'\n", "zreplay.toml:2: scheduler: scheduler can be set only by"),
        ("[run]\nindex = './mine.so'\n", "zreplay.toml:2: index: a plugin, which is code, can be set only by a file"),
        ("[run]\nindex = 'mine.so'\n", "zreplay.toml:2: index: a plugin, which is code, can be set only by a file"),
        ("[run]\npool = 'mine:Pool'\n", "zreplay.toml:2: pool: a plugin, which is code, can be set only by a file"),
        ("[compare]\nmm = ['lru', './x.so']\n", "zreplay.toml:2: mm: a plugin, which is code, can be set only by"),
        ("[run]\nquiet = 'yes'\n", "zreplay.toml:2: quiet: found 'yes', expected true or false"),
        ("[run]\nseed = true\n", "zreplay.toml:2: seed: found True, expected text, a number or a list of them"),
        ("[run]\nseed = 2.5\n", "'2.5' is not a valid integer (from zreplay.toml:2)"),
        ("[run]\npool = 'zbut'\n", "did you mean zbud? (from zreplay.toml:2)"),
    ],
)
def test_what_a_file_cannot_say_is_one_line_with_file_and_line(zreplay, settings, text, message):
    settings(text)
    Path("t.parquet").write_bytes(b"")
    verb = text.split("]")[0].strip("[") if text.startswith("[") and not text.startswith("[rum") else "run"
    verb_words = {"sweep": ("sweep", "x"), "compare": ("compare", "t.parquet")}.get(verb, ("run", "t.parquet"))
    code, out, err = zreplay(*verb_words, "-o", "r")
    assert (code, out) == (2, "")
    assert message in err and err.count("\n") == 1, err


def test_a_file_of_other_verbs_is_nothing_to_this_one(zreplay, settings):
    settings("[run]\nnothing = 1\n")
    assert zreplay("plugins", "--json")[0] == 0


def test_a_list_is_as_commas_or_as_several(zreplay, settings, monkeypatch):
    got: dict[str, object] = {}
    settings("[compare]\npool = ['zbud', 'zsmalloc']\nfail-if = ['a > 1', 'b > 2']\nmax_pool_percent = 10\n")
    monkeypatch.setattr(LEAVES["compare",], "callback", lambda **found: got.update(found))
    assert zreplay("compare", "x")[0] == 0
    assert (got["pool"], got["fail_if"], got["max_pool_percent"]) == ("zbud,zsmalloc", ("a > 1", "b > 2"), "10")


def test_a_file_that_is_named_must_be_there_and_may_name_code(zreplay, settings, monkeypatch, tmp_path):
    settings("[run]\nindex = './none.so'\nforce = true\n")
    code, _, err = zreplay("--config", "zreplay.tom", "run", "x", "-o", "r")
    assert (code, err) == (2, "zreplay: zreplay.tom: no such file; did you mean zreplay.toml?\n")
    monkeypatch.setenv("ZREPLAY_CONFIG", "zreplay.toml")
    code, _, err = zreplay("run", "x", "-o", "r")
    assert code == 2 and "none.so" in err and "can be set only" not in err


def test_a_value_of_the_environment_that_is_none_is_said_to_be_from_there(zreplay, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZREPLAY_RUN_MAX_POOL_PERCENT", "ten")
    _, _, err = zreplay("run", "x", "-o", "r")
    assert "'ten' is not a valid integer" in err and "(from ZREPLAY_RUN_MAX_POOL_PERCENT)" in err


def test_a_variable_that_no_option_has_is_warned_of(zreplay, monkeypatch):
    monkeypatch.setenv("ZREPLAY_PLUGINS_JSN", "1")
    _, out, err = zreplay("plugins")
    assert "rbtree" in out
    warning = "zreplay: warning: ZREPLAY_PLUGINS_JSN: no option of plugins; did you mean ZREPLAY_PLUGINS_JSON?\n"
    assert err == warning


@pytest.mark.parametrize("words", [("-v", "plugins"), ("plugins", "-v")])
def test_verbose_tells_settings_time_and_memory_on_standard_error(zreplay, monkeypatch, words):
    monkeypatch.setenv("ZREPLAY_PLUGINS_JSON", "1")
    _, out, err = zreplay(*words)
    json.loads(out)
    first, *settings, last = err.splitlines()
    assert first.startswith("zreplay plugins: zreplay ")
    assert "zreplay plugins: json = True (ZREPLAY_PLUGINS_JSON)" in settings
    assert last.endswith(" MiB at most")


def test_verbose_shows_where_an_error_was_raised(zreplay, tmp_path):
    _, _, err = zreplay("info", tmp_path / "none.parquet", "-v")
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-1].startswith("zreplay: ")
