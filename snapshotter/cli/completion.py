"""Provide `snapshotter completion`: print the script that completes commands in a shell."""

import click

from snapshotter.cli.output import print_result

_VARIABLE = "_SNAPSHOTTER_COMPLETE"  # as click makes it of the name of the program


@click.command(
    epilog="""\b
Examples:
  snapshotter completion bash > ~/.local/share/bash-completion/completions/snapshotter
  snapshotter completion zsh > ~/.zfunc/_snapshotter
  snapshotter completion fish > ~/.config/fish/completions/snapshotter.fish
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """
    Print the script that completes commands, options, ids, cases and policies in a shell.

    Write the output to the file of the example, and begin a new shell. Ids are completed for stores
    in directories, not for buckets.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise TypeError(f"click has no completion for {shell}")
    made = kind(ctx.find_root().command, {}, "snapshotter", _VARIABLE)
    # Not `source()`, which starts bash to find out its version.
    for line in (made.source_template % made.source_vars()).splitlines():
        print_result(line)
