//! A status in sentences, for the page and the terminal.

use super::{Balance, Collector, Status};
use crate::view::numbers::{grouped, span};

/// The sentence that is true of a status.
pub(super) fn of(status: &Status, is_stopping: bool) -> String {
    let balance = &status.balance;
    let needs_you = status.blocked.iter().filter(|blocked| blocked.needs_you);
    let sentence = match needs_you.count() {
        _ if is_stopping => {
            "qtrail is stopping: it delivers what it has read, and reads nothing new."
        }
        1 => "Something waits for you: see what is blocked.",
        2.. => "Several things wait for you: see what is blocked.",
        0 if !status.blocked.is_empty() => {
            "Events wait for now, and are sent again; nothing is lost."
        }
        0 if balance.in_flight > 0 || status.files_pending > 0 => "Events are on their way.",
        0 if status.events_held > 0 => "Events wait for the rest of their conversations.",
        0 if balance.read == 0 => "Nothing has arrived yet: qtrail waits for the first records.",
        0 if status.dead_letters.are_there => {
            "Everything that arrived has been dealt with, but some records could not be delivered: see the dead letters."
        }
        0 => "All is well: everything that arrived has been dealt with.",
    };
    sentence.to_owned()
}

/// Whether anything is missing.
pub(crate) fn balance_sentence(balance: &Balance) -> String {
    let parts = [
        (balance.exported, "exported"),
        (balance.filtered, "filtered"),
        (balance.duplicate, "duplicate"),
        (balance.dead_lettered, "dead-lettered"),
        (balance.in_flight, "in flight"),
    ];
    let parts = parts.map(|(n, name)| format!("{} {name}", grouped(n)));
    let sum = format!("{} read = {}", grouped(balance.read), parts.join(" + "));
    match balance.holds {
        _ if balance.read == 0 => "Nothing was read yet, so nothing is missing.".to_owned(),
        true => format!("Nothing is missing, each record is in one of these places: {sum}."),
        false => format!(
            "Records move just now, and the numbers are from slightly different moments: {sum}."
        ),
    }
}

impl Status {
    /// What runs: the name and the text of each row.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let rate = &self.rates;
        let speed = format!(
            "{} records read and {} events exported a second, over the last {}",
            rate.read_per_second,
            rate.exported_per_second,
            span(rate.seconds)
        );
        let inputs = self.inputs.iter().map(|input| ("Reads", input.clone()));
        let mut facts: Vec<_> = inputs.collect();
        facts.extend([
            ("Sends to", self.destination.clone()),
            ("The receiver", self.collector.words().to_owned()),
            ("Speed", speed),
            ("Last delivery", self.delivery_words()),
        ]);
        facts.extend(self.waits().into_iter().map(|waits| ("Waits", waits)));
        facts
    }

    /// The last delivery.
    fn delivery_words(&self) -> String {
        match &self.last_delivery {
            None => "none since the start".to_owned(),
            Some(last) => format!(
                "{} ago; its newest event was {} old then",
                span(last.seconds_ago),
                span(last.lag_seconds)
            ),
        }
    }

    /// What waits to be delivered, without being blocked.
    fn waits(&self) -> Vec<String> {
        let parts = [
            (self.files_pending, "found and not delivered yet", "file"),
            (
                self.events_held,
                "held for the rest of its conversation",
                "event",
            ),
        ];
        let parts = parts.into_iter().filter(|(n, ..)| *n > 0);
        let words = parts.map(|(n, what, noun)| match n {
            1 => format!("1 {noun} {what}"),
            _ => format!(
                "{} {noun}s {}",
                grouped(n),
                what.replace("its conversation", "their conversations")
            ),
        });
        words.collect()
    }
}

impl Collector {
    /// How the destination is doing, in words.
    fn words(&self) -> &'static str {
        match self.state.as_str() {
            "unused" => "nothing was sent yet",
            "up" => "takes events",
            "away" => "takes no events now; they wait and are sent again",
            _ => "refuses events: see what is blocked",
        }
    }
}
