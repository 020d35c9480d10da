//! Exit codes, and their meaning for each command.
//!
//! Enters: nothing. Leaves: the table that `--help` and `docs/operations.md` are generated from.

use std::fmt::Write;
use std::process::ExitCode;

/// How a command ended. `shutdown` exits with 130 after a second signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success.
    Done = 0,
    /// Something failed or is left undelivered, and was logged.
    Failed = 1,
    /// Invalid usage or configuration.
    Usage = 2,
    /// Everything is done, but some records are dead letters.
    DeadLetters = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// The exit of a command that delivers: undelivered records outweigh dead letters.
    pub(super) fn of(left: bool, dead_lettered: u64) -> Exit {
        match (left, dead_lettered) {
            (true, _) => Exit::Failed,
            (false, 0) => Exit::Done,
            (false, _) => Exit::DeadLetters,
        }
    }
}

/// The meaning of the exit codes of one command. 2 and 130 mean the same for every command.
pub(super) struct Codes {
    /// The command, with the flag that changes the meaning.
    pub(super) command: &'static str,
    done: &'static str,
    failed: &'static str,
    dead_letters: Option<&'static str>,
}

/// The exit codes of every command.
#[rustfmt::skip]
pub(super) const CODES: [Codes; 19] = [
    Codes {
        command: "run",
        done: "stopped by a signal; unfinished work is read again at the next start",
        failed: "it could not start, an input failed, or nothing was accepted for --give-up-after, if set",
        dead_letters: None,
    },
    Codes {
        command: "run --once",
        done: "everything was delivered or skipped on purpose",
        failed: "an error, or something is left: an unreadable file or folder, an incomplete last line, a message returned to its queue, a collector that accepts nothing (--give-up-after), or a signal",
        dead_letters: Some("everything was delivered, but some records are dead letters"),
    },
    Codes {
        command: "convert",
        done: "everything was converted",
        failed: "an error, or something is left: an unreadable file, an unwritable output, a collector that accepts nothing (--give-up-after), or a signal",
        dead_letters: Some("everything was converted, but some records are dead letters"),
    },
    Codes {
        command: "backfill",
        done: "everything was delivered",
        failed: "an error, or something is left: an unreadable file or folder, a collector that accepts nothing (--give-up-after), or a signal",
        dead_letters: Some("everything was delivered, but some records are dead letters"),
    },
    Codes {
        command: "backfill --dry-run",
        done: "everything was listed",
        failed: "an error, an unreadable folder, or a signal",
        dead_letters: None,
    },
    Codes {
        command: "status",
        done: "qtrail is ready",
        failed: "qtrail is not ready (events are blocked, or it is stopping), or does not answer",
        dead_letters: None,
    },
    Codes {
        command: "top",
        done: "ended by q or a signal",
        failed: "standard output is no terminal, or qtrail does not answer at the start",
        dead_letters: None,
    },
    Codes {
        command: "replay",
        done: "all records were accepted",
        failed: "an error, a line that is not a dead letter, a collector that accepts nothing (--give-up-after), or a signal",
        dead_letters: Some("some records were rejected again, or are not in the file"),
    },
    Codes {
        command: "report",
        done: "the report is written",
        failed: "an error, or the report is not complete: an unreadable file or object, or more events than limits.memory has places for",
        dead_letters: Some("the report is written, but some records cannot be read"),
    },
    Codes {
        command: "verify",
        done: "everything in the range is verified",
        failed: "an error, or something is not verified: each finding names the file",
        dead_letters: None,
    },
    Codes {
        command: "lint-trail",
        done: "no finding; there may be hints",
        failed: "an error, something cannot be read or asked, or there are findings",
        dead_letters: Some("no finding, but some records cannot be read"),
    },
    Codes {
        command: "explain",
        done: "printed",
        failed: "an input cannot be read, or has no such record",
        dead_letters: None,
    },
    Codes {
        command: "check",
        done: "all checks passed",
        failed: "a check failed; each FAIL line says what to fix",
        dead_letters: None,
    },
    Codes {
        command: "demo",
        done: "all events arrived",
        failed: "some events did not arrive, or a signal",
        dead_letters: None,
    },
    Codes {
        command: "sample",
        done: "written",
        failed: "the output cannot be written",
        dead_letters: None,
    },
    Codes {
        command: "pseudonym",
        done: "printed",
        failed: "no key is configured, or the output cannot be written",
        dead_letters: None,
    },
    Codes {
        command: "completions",
        done: "written",
        failed: "the output cannot be written",
        dead_letters: None,
    },
    Codes {
        command: "man",
        done: "written",
        failed: "the output cannot be written",
        dead_letters: None,
    },
    Codes {
        command: "version",
        done: "printed",
        failed: "the output cannot be written",
        dead_letters: None,
    },
];

/// The exit codes in `qtrail --help`.
pub(super) const SUMMARY: &str = "\
Exit codes:
  0    success; `run`: stopped by a signal; any command: the reader of its output exited (`| head`)
  1    an error, or something is left undelivered; standard error says what
  2    invalid usage or configuration
  3    everything was delivered, but some records are dead letters (convert, backfill, replay,
       run --once)
  130  exited at once after a second signal, without waiting for the collector
See the --help of each command for details.";

/// The end of a command's help: examples, then its exit codes.
pub(super) fn help(command: &str, examples: &str) -> String {
    let mut text = examples.to_owned();
    let is_of = |codes: &&Codes| codes.command.split(' ').next() == Some(command);
    for codes in CODES.iter().filter(is_of) {
        let of = match codes.command == command {
            true => String::new(),
            false => format!(" of {}", codes.command),
        };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n\nExit codes{of}:\n  0    {}; or the reader of its output exited\n  1    {}",
            codes.done, codes.failed
        );
        text.push_str("\n  2    invalid usage or configuration");
        if let Some(dead_letters) = codes.dead_letters {
            let _ = write!(text, "\n  3    {dead_letters}");
        }
        if codes.failed.contains("signal") || command == "run" {
            text.push_str("\n  130  exited at once after a second signal");
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
    fn the_help_of_every_command_lists_its_exit_codes() {
        for command in Cli::command().get_subcommands_mut() {
            let name = command.get_name().to_owned();
            let help = command.render_long_help().to_string();
            // Lines are wrapped.
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let of_it = |codes: &&Codes| codes.command.split(' ').next() == Some(&name);
            let mut found = 0;
            for codes in CODES.iter().filter(of_it) {
                for meaning in [Some(codes.done), Some(codes.failed), codes.dead_letters] {
                    let meaning = meaning.unwrap_or_default();
                    assert!(
                        words(&help).contains(meaning),
                        "{name}: no {meaning:?} in {help}"
                    );
                }
                found += 1;
            }
            assert!(found > 0, "{name} is not in the table");
        }
    }

    #[test]
    fn undelivered_records_outweigh_dead_letters() {
        assert_eq!(Exit::of(false, 0), Exit::Done);
        assert_eq!(Exit::of(false, 2), Exit::DeadLetters);
        assert_eq!(Exit::of(true, 2), Exit::Failed);
    }
}
