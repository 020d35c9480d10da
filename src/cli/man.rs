//! `qtrail man`.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;

use super::Exit;
use super::args::{Cli, ManArgs};

/// Prints the man page of `qtrail`, or writes those of all commands to a directory.
pub fn run(args: &ManArgs) -> anyhow::Result<Exit> {
    match &args.dir {
        None => super::print(&render(command())?),
        Some(dir) => write_all(dir),
    }
}

/// A page has the version alone: the rest is of one build.
fn command() -> clap::Command {
    Cli::command().long_version(None::<&str>)
}

fn write_all(dir: &Path) -> anyhow::Result<Exit> {
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(command(), dir))
        .with_context(|| format!("cannot write the man pages to {}", dir.display()))?;
    Ok(Exit::Done)
}

fn render(command: clap::Command) -> anyhow::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_options() {
        let dir = tempfile::tempdir().unwrap();
        write_all(dir.path()).unwrap();
        for command in Cli::command().get_subcommands() {
            let path = dir.path().join(format!("qtrail-{}.1", command.get_name()));
            let page = std::fs::read_to_string(path).unwrap();
            assert!(page.contains(".SH NAME"), "{page}");
            for arg in command.get_arguments().filter_map(|a| a.get_long()) {
                assert!(
                    page.contains(&arg.replace('-', "\\-")),
                    "{}: {arg}",
                    command.get_name()
                );
            }
        }
        let root = std::fs::read_to_string(dir.path().join("qtrail.1")).unwrap();
        assert!(root.contains("dead letters"), "exit codes are missing");
    }
}
