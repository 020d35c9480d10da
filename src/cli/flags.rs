//! Arguments become settings: which flag sets which key.
//!
//! What must hold: only text is passed on; `config` checks its value, as it checks that of a file.

use std::path::PathBuf;

use super::args::{
    BackfillArgs, CheckArgs, ConvertArgs, DemoArgs, ExplainArgs, ExportArgs, GiveUpArgs, Globals,
    InputArgs, LintTrailArgs, ManifestArgs, ReplayArgs, ReportArgs, RunArgs, SelectArgs,
    VerificationArgs, VerifyArgs,
};
use crate::config::Flags;

impl Globals {
    /// What the command line sets, of a command without settings of its own.
    pub fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.set(&mut flags);
        flags
    }

    fn set(&self, flags: &mut Flags) {
        if let Some(level) = &self.log_level {
            flags.set("log.level", "--log-level", level);
        } else if self.verbose {
            flags.set("log.level", "--verbose", "debug");
        } else if self.quiet {
            flags.set("log.level", "--quiet", "error");
        }
        if let Some(format) = &self.log_format {
            flags.set("log.format", "--log-format", format);
        }
    }
}

impl ExportArgs {
    fn set(&self, flags: &mut Flags) {
        set(
            flags,
            "export.endpoint",
            "--endpoint",
            self.endpoint.as_ref(),
        );
        set(
            flags,
            "export.protocol",
            "--protocol",
            self.protocol.as_ref(),
        );
        for header in &self.headers {
            flags.set("export.headers", "--header", header);
        }
        for signal in &self.signals {
            flags.set("signals", "--signals", signal);
        }
    }
}

impl GiveUpArgs {
    fn set(&self, flags: &mut Flags) {
        let text = self.give_up_after.as_ref();
        set(flags, "export.give_up_after", "--give-up-after", text);
    }
}

impl ManifestArgs {
    fn set(&self, flags: &mut Flags) {
        if self.manifest {
            flags.set("manifest", "--manifest", "true");
        }
    }
}

impl SelectArgs {
    fn set(&self, flags: &mut Flags) {
        set(flags, "select", "--select", self.select.as_ref());
    }
}

impl VerificationArgs {
    fn set(&self, flags: &mut Flags) {
        if self.verify {
            flags.set("verify", "--verify", "true");
        }
        for path in &self.public_keys {
            flags.set("verification.public_keys", "--public-keys", path);
        }
    }
}

impl InputArgs {
    fn set(&self, flags: &mut Flags) {
        set_path(flags, "directory.path", "DIR", self.dir.as_ref());
        for queue in &self.queues {
            flags.set("s3.queues", "--sqs", queue);
        }
        if self.event_history {
            flags.set("event_history.enabled", "--event-history", "true");
        }
        set(flags, "ingest.grpc.listen", "--grpc", self.grpc.as_ref());
        set(flags, "ingest.http.listen", "--http", self.http.as_ref());
    }
}

impl RunArgs {
    /// What the command line sets.
    pub fn flags(&self, globals: &Globals) -> Flags {
        let mut flags = Flags::default();
        globals.set(&mut flags);
        self.export.set(&mut flags);
        self.give_up.set(&mut flags);
        self.manifest.set(&mut flags);
        self.select.set(&mut flags);
        self.inputs.set(&mut flags);
        set_path(&mut flags, "export.file", "--output", self.output.as_ref());
        set_path(&mut flags, "state", "--state", self.state.as_ref());
        set_dead_letters(&mut flags, self.dead_letters.as_ref());
        if self.assemble {
            flags.set("assemble", "--assemble", "true");
        }
        self.verification.set(&mut flags);
        flags
    }
}

impl ConvertArgs {
    /// What the command line sets; the command itself reads `--output`.
    pub fn flags(&self, globals: &Globals) -> Flags {
        let mut flags = Flags::default();
        globals.set(&mut flags);
        self.export.set(&mut flags);
        self.give_up.set(&mut flags);
        self.manifest.set(&mut flags);
        self.select.set(&mut flags);
        set_dead_letters(&mut flags, self.dead_letters.as_ref());
        flags
    }
}

impl BackfillArgs {
    /// What the command line sets; the command itself reads the selection of files.
    pub fn flags(&self, globals: &Globals) -> Flags {
        let mut flags = Flags::default();
        globals.set(&mut flags);
        self.export.set(&mut flags);
        self.give_up.set(&mut flags);
        self.manifest.set(&mut flags);
        self.select.set(&mut flags);
        set(
            &mut flags,
            "export.rate_limit",
            "--rate",
            self.rate.as_ref(),
        );
        set(
            &mut flags,
            "export.batch.spread",
            "--max-spread",
            self.max_spread.as_ref(),
        );
        set_path(&mut flags, "state", "--state", self.state.as_ref());
        set_dead_letters(&mut flags, self.dead_letters.as_ref());
        self.verification.set(&mut flags);
        flags
    }
}

impl ReportArgs {
    /// What the command line sets; the command itself reads the filters and the output.
    pub fn flags(&self, globals: &Globals) -> Flags {
        let mut flags = Flags::default();
        globals.set(&mut flags);
        self.select.set(&mut flags);
        let identities = self.identities.as_ref();
        set_path(&mut flags, "identities", "--identities", identities);
        flags
    }
}

impl ExplainArgs {
    /// What the command line sets.
    pub fn flags(&self, globals: &Globals) -> Flags {
        let mut flags = Flags::default();
        globals.set(&mut flags);
        self.select.set(&mut flags);
        flags
    }
}

impl VerifyArgs {
    /// What the command line sets; the command itself reads the rest.
    pub fn flags(&self, globals: &Globals) -> Flags {
        let mut flags = Flags::default();
        globals.set(&mut flags);
        self.export.set(&mut flags);
        flags
    }
}

impl LintTrailArgs {
    /// What the command line sets; the command itself reads the rest.
    pub fn flags(&self, globals: &Globals) -> Flags {
        let mut flags = Flags::default();
        globals.set(&mut flags);
        self.select.set(&mut flags);
        flags
    }
}

impl CheckArgs {
    /// What the command line sets.
    pub fn flags(&self, globals: &Globals) -> Flags {
        let mut flags = Flags::default();
        globals.set(&mut flags);
        self.export.set(&mut flags);
        self.inputs.set(&mut flags);
        set_path(&mut flags, "export.file", "--output", self.output.as_ref());
        set_path(&mut flags, "state", "--state", self.state.as_ref());
        set_dead_letters(&mut flags, self.dead_letters.as_ref());
        flags
    }
}

impl ReplayArgs {
    /// What the command line sets.
    pub fn flags(&self, globals: &Globals) -> Flags {
        let mut flags = Flags::default();
        globals.set(&mut flags);
        self.export.set(&mut flags);
        self.give_up.set(&mut flags);
        self.select.set(&mut flags);
        set_dead_letters(&mut flags, self.dead_letters.as_ref());
        flags
    }
}

impl DemoArgs {
    /// What the command line sets.
    pub fn flags(&self, globals: &Globals) -> Flags {
        let mut flags = Flags::default();
        if globals.log_level.is_none() && !globals.verbose {
            // The report shows the rejected record.
            flags.set("log.level", "demo", "error,qtrail::dead_letter=off");
        }
        globals.set(&mut flags);
        set(
            &mut flags,
            "export.endpoint",
            "--endpoint",
            self.endpoint.as_ref(),
        );
        for signal in &self.signals {
            flags.set("signals", "--signals", signal);
        }
        flags
    }
}

fn set(flags: &mut Flags, key: &'static str, flag: &'static str, text: Option<&String>) {
    if let Some(text) = text {
        flags.set(key, flag, text);
    }
}

fn set_path(flags: &mut Flags, key: &'static str, flag: &'static str, path: Option<&PathBuf>) {
    if let Some(path) = path {
        flags.set(key, flag, path.as_os_str());
    }
}

fn set_dead_letters(flags: &mut Flags, path: Option<&PathBuf>) {
    set_path(flags, "dead_letters.path", "--dead-letters", path);
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    fn after_help(command: &clap::Command) -> String {
        let text = command.get_after_help().map(ToString::to_string);
        text.unwrap_or_default()
    }

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_flag_has_a_help_text_and_an_example() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name}");
            let example = format!("  qtrail {name}");
            assert!(after_help(command).contains(&example), "{name}");
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{name}: {}", arg.get_id());
            }
        }
    }

    #[test]
    fn the_examples_in_the_help_texts_are_valid() {
        let mut tried = 0;
        for command in Cli::command().get_subcommands() {
            let text = after_help(command).replace("\\\n", "");
            for line in text.lines().filter(|l| l.starts_with("  qtrail ")) {
                let words = line.split(['#', '|', '>', '<']).next().unwrap_or_default();
                assert!(parse(words).is_ok(), "{line}");
                tried += 1;
            }
        }
        assert!(tried > 15, "only {tried} examples were found");
    }

    #[test]
    fn every_flag_sets_its_key() {
        let cli = parse(
            "qtrail run /d --endpoint http://x:1 --protocol http/json --header a=b --header c=d \
             --signals logs --select all --state /s --dead-letters /dl --log-level warn --log-format json",
        )
        .unwrap();
        let Command::Run(args) = cli.command else {
            panic!("another command");
        };
        let flags = args.flags(&cli.globals);
        let loaded = crate::config::load(None, &crate::config::Environment::default(), flags);
        let config = loaded.ok().unwrap().config;
        let crate::export::Destination::Otlp { logs, .. } = &config.export.destination else {
            panic!("{:?}", config.export.destination);
        };
        assert_eq!(logs.url, "http://x:1/v1/logs");
        assert_eq!(logs.headers.len(), 2);
        assert!(!config.convert.traces);
        assert_eq!(config.select, qtrail_core::event::amazon_q::Select::All);
        let directory = config.directory.unwrap();
        assert_eq!(directory.root, PathBuf::from("/d"));
        assert_eq!(directory.state, PathBuf::from("/s"));
        assert_eq!(config.dead_letters.path, PathBuf::from("/dl"));
        assert_eq!(config.telemetry.log_filter, "warn");
        assert!(config.telemetry.log_json);
    }

    #[test]
    fn conflicting_arguments_are_rejected() {
        for line in [
            "qtrail run /d --endpoint http://x:1 --output -",
            "qtrail convert - --endpoint http://x:1 --format events",
            "qtrail convert",
            "qtrail sample",
            "qtrail sample d -o f",
            "qtrail sample d --events 5 --size 5MiB",
            "qtrail sample d --share 101",
            "qtrail run /d --protocol smoke",
            "qtrail -v -q demo",
        ] {
            let error = parse(line)
                .err()
                .unwrap_or_else(|| panic!("{line} is accepted"));
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
