//! `qtrail completions`.

use clap::CommandFactory;

use super::Exit;
use super::args::{Cli, CompletionsArgs};

/// Prints the completions for a shell.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    super::print(&render(args.shell))
}

fn render(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "qtrail", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn each_shell_completes_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            let script = render(shell);
            for command in Cli::command().get_subcommands() {
                assert!(
                    script.contains(command.get_name()),
                    "{shell}: {}",
                    command.get_name()
                );
            }
            assert!(script.contains("dead-letters"), "{shell}");
        }
    }
}
