//! What is found.
//!
//! Names of kinds are stable: they are in the JSON, in `--ignore`, and in `docs/trail.md`.

use clap::ValueEnum;

/// What a trail cannot show, or why, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Kind {
    NoTrail,
    TrailStopped,
    DeliveryError,
    DeliveryStale,
    DigestDeliveryError,
    NotificationError,
    LogsDeliveryError,
    NoManagementEvents,
    NoReadEvents,
    NoWriteEvents,
    NarrowedManagementEvents,
    NoCodewhispererDataEvents,
    NoIntegrationDataEvents,
    NoInvestigationDataEvents,
    NoGatewayDataEvents,
    NoAgentSpaceDataEvents,
    NarrowedDataEvents,
    ExcludedEventSources,
    NotMultiRegion,
    NoGlobalServiceEvents,
    NoLogFileValidation,
    EventbridgeOnly,
    NoAmazonQEvents,
    DuplicateTrails,
    NotKnown,
}

impl Kind {
    /// Its name.
    pub(crate) fn name(self) -> String {
        // No kind is hidden from `--ignore`.
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// How sure a finding is, and whether it fails the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Events are lost, or cannot be proven: AWS says so, or what was read shows it.
    Finding,
    /// Events may be lost, or nothing is, but it is worth a look.
    Hint,
}

impl Level {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Finding => "finding",
            Level::Hint => "hint",
        }
    }
}

/// A finding. Its texts may hold any character, except for the commands: those are for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) level: Level,
    /// The trail's ARN, or its name; `None` for what concerns no single one.
    pub(crate) trail: Option<String>,
    /// What is so, and what is lost.
    pub(crate) message: String,
    /// What mends it, in this order.
    pub(crate) commands: Vec<String>,
}

impl Finding {
    /// A finding about no single trail.
    pub(super) fn new(kind: Kind, level: Level, message: impl Into<String>) -> Finding {
        Finding {
            kind,
            level,
            trail: None,
            message: message.into(),
            commands: Vec::new(),
        }
    }

    /// About this trail.
    pub(super) fn of(self, trail: &str) -> Finding {
        Finding {
            trail: Some(trail.to_owned()),
            ..self
        }
    }

    /// With what mends it.
    pub(super) fn mended_by(self, commands: Vec<String>) -> Finding {
        Finding { commands, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_documented_in_the_order_in_which_it_is_told() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/trail.md");
        let text = std::fs::read_to_string(path).unwrap();
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        let names: Vec<_> = rows.map(|row| row.split('`').next().unwrap()).collect();
        let kinds: Vec<_> = Kind::value_variants()
            .iter()
            .map(|kind| kind.name())
            .collect();
        assert_eq!(names, kinds);
    }
}
