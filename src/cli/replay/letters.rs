//! The dead letters of a file.
//!
//! Enters: lines. Leaves: letters with the numbers of their lines. What must hold: a file of another kind is
//! rejected at its first byte, however long its lines are.

use std::io::{self, BufRead};

use anyhow::Context;
use tokio::sync::mpsc;

use crate::dead_letter::{Letter, Line, begins_as_a_letter};

/// Dead letters that are read ahead.
const READ_AHEAD: usize = 8;

/// A dead letter with the number of its line, from 1.
pub(super) type Numbered = anyhow::Result<(usize, Letter)>;

/// Reads dead letters on a thread of its own, since reading a pipe may block.
pub(super) fn read(lines: impl BufRead + Send + 'static) -> mpsc::Receiver<Numbered> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        for letter in letters(lines) {
            if sender.blocking_send(letter).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The dead letters of a file.
pub(super) fn letters(mut lines: impl BufRead) -> impl Iterator<Item = Numbered> {
    let lines = std::iter::from_fn(move || match line(&mut lines) {
        Ok(line) if line.is_empty() => None,
        line => Some(line),
    });
    lines.zip(1..).flat_map(|(line, number)| {
        let letters = line
            .with_context(|| format!("cannot read line {number}"))
            .and_then(|line| parse(&line).with_context(|| format!("line {number} is not a dead letter (a file of dead letters has one JSON object per line; use `qtrail convert` for CloudTrail files)")));
        match letters {
            Ok(letters) => letters.into_iter().map(|l| Ok((number, l))).collect(),
            Err(e) => vec![Err(e)],
        }
    })
}

/// The next line; empty at the end. For a line that cannot be a dead letter, only its first byte: the file may
/// have no newlines at all.
fn line(lines: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    match lines.fill_buf()?.first() {
        Some(&first) if first != b'{' && !first.is_ascii_whitespace() => {
            lines.consume(1);
            line.push(first);
        }
        _ => drop(lines.read_until(b'\n', &mut line)?),
    };
    Ok(line)
}

fn parse(line: &[u8]) -> anyhow::Result<Vec<Letter>> {
    match serde_json::from_slice::<Line>(line) {
        _ if line.trim_ascii().is_empty() => Ok(Vec::new()),
        Ok(line) => match line.into_letters() {
            letters if letters.is_empty() => anyhow::bail!("it has no record"),
            letters => Ok(letters),
        },
        Err(error) if error.is_eof() && !line.ends_with(b"\n") && begins_as_a_letter(line) => {
            tracing::warn!(
                "skipped the incomplete last line: it is being written, or a crash interrupted it before its record was acknowledged"
            );
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}
