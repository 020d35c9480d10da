//! Whether a process's memory is flat.

use std::fmt;
use std::time::Duration;

/// The most memory that a process may ever take: `limits.memory` and what is beside it.
const MOST: u64 = 256 << 20;
/// The first part of a life, in which caches and windows fill.
const WARM: f64 = 0.25;
/// What the memory of the last quarter may be above that of the quarter after the first.
const GROWTH: u64 = 16 << 20;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Memory {
    most: u64,
    /// Of one life: its age and its memory.
    life: Option<Vec<(Duration, u64)>>,
}

impl Memory {
    /// From now on, there is one life.
    pub(super) fn begin(&mut self) {
        self.life = Some(Vec::new());
    }

    pub(super) fn saw(&mut self, age: Duration, bytes: u64) {
        self.most = self.most.max(bytes);
        if let Some(life) = &mut self.life {
            life.push((age, bytes));
        }
    }

    /// The medians of the quarter after the first and of the last.
    fn quarters(&self) -> Option<(u64, u64)> {
        let life = self.life.as_ref().filter(|life| life.len() >= 16)?;
        let at = |part: f64| (life.len() as f64 * part) as usize;
        let median = |from: usize, to: usize| {
            let mut bytes: Vec<_> = life[from..to].iter().map(|(_, bytes)| *bytes).collect();
            bytes.sort_unstable();
            bytes[bytes.len() / 2]
        };
        Some((
            median(at(WARM), at(2.0 * WARM)),
            median(at(1.0 - WARM), life.len()),
        ))
    }

    /// What is wrong.
    pub(super) fn finding(&self) -> Option<String> {
        if self.most > MOST {
            return Some(format!("memory: {} MiB at most", self.most >> 20));
        }
        let (early, late) = self.quarters()?;
        (late > early + early / 10 + GROWTH)
            .then(|| format!("memory grows: from {} to {} MiB", early >> 20, late >> 20))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} MiB", self.most >> 20)?;
        if let (Some((early, late)), Some(life)) = (self.quarters(), &self.life) {
            let seconds = life[life.len() - 1].0.saturating_sub(life[0].0).as_secs();
            write!(
                f,
                ", {} MiB in the second quarter of the last {seconds} s, {} MiB in the fourth",
                early >> 20,
                late >> 20
            )?;
        }
        Ok(())
    }
}
