//! How a command ends, and what each command means by it.
//!
//! Enters: nothing. Leaves: the exit codes, once: `--help` and the table in `docs/operations.md` are made
//! from them.

use std::fmt::Write;
use std::process::ExitCode;

/// How a command ended. The code of a second signal, 130, is `shutdown`'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Something went wrong or is left, and was told.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// All is done, but some records went to the dead letters.
    DeadLetters = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// The exit of a command that delivers: what is left weighs more than what is dead.
    pub(super) fn of(left: bool, dead_lettered: u64) -> Exit {
        match (left, dead_lettered) {
            (true, _) => Exit::Failed,
            (false, 0) => Exit::Done,
            (false, _) => Exit::DeadLetters,
        }
    }
}

/// What the exit codes of one command mean. 2 and 130 mean the same everywhere.
pub(super) struct Codes {
    /// The command, with the flag that makes it end otherwise.
    pub(super) command: &'static str,
    done: &'static str,
    failed: &'static str,
    dead_letters: Option<&'static str>,
}

/// Of every command.
#[rustfmt::skip]
pub(super) const CODES: [Codes; 12] = [
    Codes {
        command: "run",
        done: "stopped by a signal: what had not settled is read again at the next start",
        failed: "it could not start, an input could not go on, or nothing was accepted for --give-up-after, where that is set",
        dead_letters: None,
    },
    Codes {
        command: "run --once",
        done: "all that is there was delivered, or is skipped on purpose",
        failed: "an error, or something is left: a file or folder that cannot be read, a last line without its end, a message that was given back, a collector that accepts nothing (--give-up-after), or a signal came first",
        dead_letters: Some("all was delivered, but some records are dead letters"),
    },
    Codes {
        command: "convert",
        done: "all was converted",
        failed: "an error, or something is left: a file that cannot be read, an output that cannot be written, a collector that accepts nothing (--give-up-after), or a signal came first",
        dead_letters: Some("all was converted, but some records are dead letters"),
    },
    Codes {
        command: "backfill",
        done: "all is done",
        failed: "an error, or something is left: a file or folder that cannot be read, a collector that accepts nothing (--give-up-after), or a signal came first",
        dead_letters: Some("all is done, but some records are dead letters"),
    },
    Codes {
        command: "backfill --dry-run",
        done: "all was listed",
        failed: "an error, a folder that cannot be listed, or a signal came first",
        dead_letters: None,
    },
    Codes {
        command: "replay",
        done: "all were accepted",
        failed: "an error, a line that is no dead letter, a collector that accepts nothing (--give-up-after), or a signal came first",
        dead_letters: Some("some were refused again, or hold no record"),
    },
    Codes {
        command: "explain",
        done: "explained",
        failed: "the file cannot be read, or holds no such record",
        dead_letters: None,
    },
    Codes {
        command: "check",
        done: "all is well",
        failed: "something is not, and the line that begins with FAIL says what to mend",
        dead_letters: None,
    },
    Codes {
        command: "demo",
        done: "all arrived",
        failed: "something did not, or a signal came first",
        dead_letters: None,
    },
    Codes {
        command: "sample",
        done: "written",
        failed: "it cannot be written",
        dead_letters: None,
    },
    Codes {
        command: "completions",
        done: "written",
        failed: "they cannot be written",
        dead_letters: None,
    },
    Codes {
        command: "man",
        done: "written",
        failed: "they cannot be written",
        dead_letters: None,
    },
];

/// What `qtrail --help` says of them.
pub(super) const SUMMARY: &str = "\
Exit codes:
  0    done; `run`: stopped by a signal; any command: nobody reads its output any more (`| head`)
  1    an error, or something is left undelivered; told on standard error
  2    wrong usage or configuration
  3    all was delivered, but some records went to the dead letters (convert, backfill, replay,
       run --once)
  130  ended at once by a second signal, without waiting for the collector
What they mean for one command, its own --help says.";

/// The help of a command after its arguments: examples, then its exit codes.
pub(super) fn help(command: &str, examples: &str) -> String {
    let mut text = examples.to_owned();
    let is_of = |codes: &&Codes| codes.command.split(' ').next() == Some(command);
    for codes in CODES.iter().filter(is_of) {
        let of = match codes.command == command {
            true => String::new(),
            false => format!(" of {}", codes.command),
        };
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            "\n\nExit codes{of}:\n  0    {}; or nobody reads its output any more\n  1    {}",
            codes.done, codes.failed
        );
        text.push_str("\n  2    wrong usage or configuration");
        if let Some(dead_letters) = codes.dead_letters {
            let _ = write!(text, "\n  3    {dead_letters}");
        }
        if codes.failed.contains("signal") || command == "run" {
            text.push_str("\n  130  ended at once by a second signal");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::args::Cli;
    use super::*;

    /// The rows of the table in the documentation.
    fn rows() -> String {
        let row = |codes: &Codes| {
            let command = codes.command;
            let dead_letters = codes.dead_letters.unwrap_or("-");
            format!(
                "| `{command}` | {} | {} | {dead_letters} |\n",
                codes.done, codes.failed
            )
        };
        CODES.iter().map(row).collect()
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
        let text = std::fs::read_to_string(path).unwrap();
        let rows = rows();
        assert!(
            text.contains(&rows),
            "docs/operations.md should have\n{rows}"
        );
    }

    #[test]
    fn the_help_of_every_command_says_its_exit_codes() {
        for command in Cli::command().get_subcommands_mut() {
            let name = command.get_name().to_owned();
            let help = command.render_long_help().to_string();
            // Lines are wrapped.
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let of_it = |codes: &&Codes| codes.command.split(' ').next() == Some(&name);
            let mut found = 0;
            for codes in CODES.iter().filter(of_it) {
                for said in [Some(codes.done), Some(codes.failed), codes.dead_letters] {
                    let said = said.unwrap_or_default();
                    assert!(words(&help).contains(said), "{name}: no {said:?} in {help}");
                }
                found += 1;
            }
            assert!(found > 0, "{name} is not in the table");
        }
    }

    #[test]
    fn what_is_left_weighs_more_than_what_is_dead() {
        assert_eq!(Exit::of(false, 0), Exit::Done);
        assert_eq!(Exit::of(false, 2), Exit::DeadLetters);
        assert_eq!(Exit::of(true, 2), Exit::Failed);
    }
}
