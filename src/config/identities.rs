//! The file of people: CSV with lines of `id,name[,alias…]`.
//!
//! Enters: the file. Leaves: [`People`]. What must hold: each problem names the file, the line and the remedy; a file
//! with a problem gives nobody, since half a table attributes what was done to the wrong people.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};
use qtrail_core::convert::{Claimed, People, Person};

/// Bytes of the file at most: some 100,000 people.
const FILE_BYTES: u64 = 16 << 20;
/// Bytes of a name or an id at most, as of an ARN.
const CELL_BYTES: usize = 2048;
/// Problems that are reported at most; after these, reading ends.
const PROBLEMS: usize = 10;

/// Why a file of people cannot be used: its problems, a line each.
#[derive(Debug)]
pub(crate) struct Error {
    path: PathBuf,
    pub(super) problems: Vec<String>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for Error {}

/// Reads the people.
///
/// # Errors
/// The file cannot be read, is too large, or has a line that cannot be used.
pub(crate) fn read(path: &Path) -> Result<People, Error> {
    let mut error = Error {
        path: path.to_owned(),
        problems: Vec::new(),
    };
    let text = match text(path) {
        Ok(text) => text,
        Err(problem) => {
            error.problems.push(problem);
            return Err(error);
        }
    };
    let people = error.parse(&text);
    match error.problems.is_empty() {
        true => Ok(people),
        false => Err(error),
    }
}

fn text(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let unread = |e| format!("cannot read {shown}: {e}");
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unread)?;
    let mut limited = file.take(FILE_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > FILE_BYTES {
        let most = FILE_BYTES >> 20;
        return Err(format!(
            "{shown} has more than {most} MiB: keep only people whose events are in the trail"
        ));
    }
    String::from_utf8(bytes).map_err(|e| {
        let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        format!("{shown}:{line}: is not UTF-8: save the file as \"CSV UTF-8\"")
    })
}

impl Error {
    fn parse(&mut self, text: &str) -> People {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .from_reader(text.as_bytes());
        let mut people = People::default();
        // The lines of the people, in their order.
        let mut lines = Vec::new();
        let (mut record, mut is_first) = (StringRecord::new(), true);
        let (mut at, mut line) = (0, 1);
        // A text in memory can be read, and it is UTF-8.
        while self.problems.len() < PROBLEMS && reader.read_record(&mut record).unwrap_or_default()
        {
            let end = reader.position().byte() as usize;
            let raw = text.get(at..end).unwrap_or_default();
            // What ended the line before, and empty lines.
            let begins = raw.len() - raw.trim_start_matches(['\r', '\n']).len();
            line += lines_in(&raw[..begins]);
            let is_header = std::mem::take(&mut is_first) && is_header(&record);
            if !is_header && !record.iter().all(str::is_empty) {
                match add(&mut people, &record, raw) {
                    Ok(()) => lines.push(line),
                    Err(Unusable::Line(problem)) => self.problem(line, &problem),
                    Err(Unusable::Claimed(claimed)) => {
                        let (id, by) = (&claimed.id, lines.get(claimed.by).unwrap_or(&0));
                        let problem = format!(
                            "{id:?} belongs to the person of line {by} already: put all ids of a person on one line, and remove it from the other"
                        );
                        self.problem(line, &problem);
                    }
                }
            }
            line += lines_in(&raw[begins..]);
            at = end;
        }
        people
    }

    fn problem(&mut self, line: usize, problem: &str) {
        let path = self.path.display();
        self.problems.push(format!("{path}:{line}: {problem}"));
    }
}

/// Why a line cannot be used.
enum Unusable {
    Line(String),
    Claimed(Claimed),
}

/// Adds the person of a line. `raw`: its bytes.
fn add(people: &mut People, record: &StringRecord, raw: &str) -> Result<(), Unusable> {
    let unusable = |problem: &str| Err(Unusable::Line(problem.to_owned()));
    if raw.matches('"').count() % 2 == 1 {
        return unusable(
            "a quotation mark is not closed: close it, or write one that is part of a name as \"\"",
        );
    }
    let mut cells = record.iter();
    let (Some(id), Some(name)) = (cells.next(), cells.next()) else {
        return unusable("expected `id,name[,alias…]`, with commas between them");
    };
    if id.is_empty() {
        return unusable("the id is empty: write `id,name[,alias…]`");
    }
    if record.iter().any(|cell| cell.len() > CELL_BYTES) {
        let problem = format!("a name or an id has more than {CELL_BYTES} bytes: shorten it");
        return unusable(&problem);
    }
    let aliases: Vec<&str> = cells.filter(|alias| !alias.is_empty()).collect();
    let person = Person {
        id: id.to_owned(),
        name: Some(name.to_owned()).filter(|name| !name.is_empty()),
    };
    people.add(person, &aliases).map_err(Unusable::Claimed)
}

/// Whether it names the columns.
fn is_header(record: &StringRecord) -> bool {
    let mut cells = record.iter();
    let mut is_next = |name: &str| {
        cells
            .next()
            .is_some_and(|cell| cell.eq_ignore_ascii_case(name))
    };
    is_next("id") && is_next("name")
}

fn lines_in(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: impl AsRef<[u8]>) -> Result<People, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    fn problems(text: impl AsRef<[u8]>) -> Vec<String> {
        let problems = parse(text).unwrap_err().problems;
        let without_path = |problem: String| match problem.split_once(':') {
            Some((path, rest)) if path.starts_with('/') => rest.to_owned(),
            _ => problem,
        };
        problems.into_iter().map(without_path).collect()
    }

    /// The id and the name of the person with an id.
    fn of<'p>(people: &'p People, id: &str) -> (&'p str, Option<&'p str>) {
        let person = people.find(id).unwrap_or_else(|| panic!("nobody is {id}"));
        (&person.id, person.name.as_deref())
    }

    #[test]
    fn a_line_has_an_id_a_name_and_aliases() {
        let text = "\u{feff}id,name,alias,alias\r\nu-1,Ana,AKIAEXAMPLE, ana@example.com \r\n\r\n\"u-2\",\"Ben, \"\"B\"\"\nJr\"\r\nu-3,,\"a,b\",,c\r\n,,\r\nu-4,Dee";
        let people = parse(text).unwrap();
        assert_eq!(people.len(), 4);
        assert_eq!(of(&people, "AKIAEXAMPLE"), ("u-1", Some("Ana")));
        assert_eq!(of(&people, "ana@example.com"), ("u-1", Some("Ana")));
        assert_eq!(of(&people, "u-2"), ("u-2", Some("Ben, \"B\"\nJr")));
        assert_eq!(of(&people, "a,b"), ("u-3", None));
        assert_eq!(of(&people, "c"), ("u-3", None));
        assert_eq!(of(&people, "u-4"), ("u-4", Some("Dee")));
        for nobody in ["", "id", "Ana"] {
            assert_eq!(people.find(nobody), None, "{nobody}");
        }
        assert!(parse("").unwrap().is_empty());
        assert!(parse("ID,Name,Alias\n").unwrap().is_empty());
        // Only the first line names columns.
        assert_eq!(parse("a,b\nid,name\n").unwrap().len(), 2);
    }

    #[test]
    fn each_problem_names_its_line_and_the_remedy() {
        for (text, line, remedy) in [
            ("u-1,Ana\n\nu-2\n", 3, "expected `id,name[,alias…]`"),
            ("u-1;Ana\n", 1, "with commas"),
            ("id,name\r\n,Ana\r\n", 2, "the id is empty"),
            ("\"a\nb\",c\r\n\r\n,d\n", 4, "the id is empty"),
            ("a,b\nc,\"d\ne,f\n", 2, "a quotation mark is not closed"),
            ("a,b\nc,d,a\n", 2, "belongs to the person of line 1"),
            (
                "a,b,x@y.z\n\nc,d\n\ne,f,X@Y.Z\n",
                5,
                "line 1 already: put all ids",
            ),
        ] {
            let problems = problems(text);
            let expected = format!("{line}: ");
            assert!(problems[0].starts_with(&expected), "{text:?}: {problems:?}");
            assert!(problems[0].contains(remedy), "{text:?}: {problems:?}");
            assert_eq!(problems.len(), 1, "{text:?}");
        }
        let utf16 = b"a,b\nc,\xff\xfe\n";
        assert!(problems(utf16)[0].starts_with("2: is not UTF-8"));
        assert_eq!(problems(",a\n".repeat(50)).len(), PROBLEMS);
        let long = format!("a,{}\n", "x".repeat(CELL_BYTES + 1));
        assert!(problems(long)[0].contains("2048 bytes"));
    }

    #[test]
    fn a_file_that_does_not_end_is_refused() {
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert!(error.to_string().contains("16 MiB"), "{error}");
        let error = read(Path::new("/nowhere/people.csv")).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot read /nowhere"),
            "{error}"
        );
        assert!(read(Path::new("/dev/null")).unwrap().is_empty());
    }
}
