//! Small events without end, one broken here and there.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::program::event;

/// What was made so far, by id. No id is part of another.
#[derive(Debug, Default)]
pub struct Made {
    pub events: BTreeSet<String>,
    /// Records that become dead letters.
    pub broken: BTreeSet<String>,
}

/// Makes records; `name` tells them apart from others'.
pub struct Maker {
    pub made: Made,
    name: String,
    rng: Rng,
    number: u32,
}

impl Maker {
    pub fn new(name: &str, rng: Rng) -> Self {
        Maker {
            made: Made::default(),
            name: name.to_owned(),
            rng,
            number: 0,
        }
    }

    /// A few records; now and then, one of them is broken.
    pub fn records(&mut self) -> Vec<String> {
        self.number += 1;
        let mut records = Vec::new();
        for n in 0..self.rng.usize(1..6) {
            let id = format!("{}-{}-{n}.", self.name, self.number);
            records.push(event(&id));
            self.made.events.insert(id);
        }
        if self.rng.u8(0..6) == 0 {
            let id = format!("broken-{}-{}.", self.name, self.number);
            let broken = event(&id).replace("2024-04-10T14:07:55Z", "yesterday");
            records.insert(self.rng.usize(0..=records.len()), broken);
            self.made.broken.insert(id);
        }
        records
    }
}
