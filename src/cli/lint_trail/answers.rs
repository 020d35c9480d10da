//! AWS's answers in files.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::config;
use crate::lint::answers::Answers;
use crate::lint::trail::{Asked, Trail};
use crate::telemetry::printable::printable;

/// The largest file of answers, in bytes.
const LARGEST: u64 = 16 << 20;

/// The trails that the files tell of.
///
/// # Errors
/// A file cannot be read, or is no answer.
pub(super) fn trails(paths: &[PathBuf]) -> Result<Vec<Trail>, config::Error> {
    let mut answers = Answers::default();
    for path in paths {
        let name = path.display();
        let problem =
            |why: String| config::Error::of(printable(&format!("--from-aws {name}: {why}")));
        let (text, asked) = read(path).map_err(|error| problem(error.to_string()))?;
        if text.len() as u64 > LARGEST {
            return Err(problem(format!(
                "it has more than {LARGEST} bytes: it is no answer about trails"
            )));
        }
        answers
            .add(&name.to_string(), &text, asked)
            .map_err(problem)?;
    }
    answers
        .finish()
        .map_err(|why| config::Error::of(printable(&format!("--from-aws {why}"))))
}

fn read(path: &Path) -> io::Result<(Vec<u8>, Asked)> {
    let mut text = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin()
            .lock()
            .take(LARGEST + 1)
            .read_to_end(&mut text)?;
        // Of a command that has just ended.
        return Ok((text, Asked::At(jiff::Timestamp::now().as_second())));
    }
    let file = File::open(path)?;
    let written = file.metadata()?.modified().ok();
    let written = written.and_then(|time| jiff::Timestamp::try_from(time).ok());
    file.take(LARGEST + 1).read_to_end(&mut text)?;
    let asked = written.map_or(Asked::Unknown, |time| Asked::By(time.as_second()));
    Ok((text, asked))
}
