"""`zreplay completion`: what a shell sources to complete verbs, options and names."""

import click

from zreplay.cli.options import JSON, print_json

_SHELLS = ("bash", "zsh", "fish")


@click.command(name="completion", short_help="Print what completes zreplay in bash, zsh or fish.")
@click.argument("shell", type=click.Choice(_SHELLS), metavar="bash|zsh|fish")
@JSON
def command(shell: str, as_json: bool) -> None:
    """Print the script that completes verbs, options, and the names of indexes, pools, designs, metrics and recipes.

    \b
    zreplay completion bash > ~/.local/share/bash-completion/completions/zreplay
    zreplay completion zsh > ~/.zfunc/_zreplay      # with fpath+=~/.zfunc before compinit
    zreplay completion fish > ~/.config/fish/completions/zreplay.fish
    """
    from click.shell_completion import get_completion_class

    from zreplay.cli.verbs import zreplay

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(zreplay, {}, "zreplay", "_ZREPLAY_COMPLETE").source()
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        click.echo(script)
