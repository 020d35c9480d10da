//! Arrows between the folders of `src/` go one way: a folder uses only those below it.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders, top to bottom. What all inputs share is in `input` itself.
const ORDER: [&str; 20] = [
    "cli",
    "sidecar",
    "config",
    "input::backfill",
    "input::directory",
    "input::event_history",
    "input::s3",
    "input::ingest",
    "input",
    "pipeline",
    "proof",
    "export",
    "dead_letter",
    "lint",
    "names",
    "integrity",
    "aws",
    "view",
    "telemetry",
    "runtime",
];

#[test]
fn no_folder_uses_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut seen, mut wrong) = (0, Vec::new());
    for file in files(&src) {
        let module = module(file.strip_prefix(&src).unwrap());
        let Some(from) = place(&module) else {
            // `lib.rs` and `main.rs` name all of them.
            continue;
        };
        for (number, line) in product(&fs::read_to_string(&file).unwrap()) {
            let groups_rooms = line.contains("crate::{")
                || line.contains("crate::input::{") && ORDER[from].starts_with("input");
            if groups_rooms {
                wrong.push(format!(
                    "{}:{number}: a `use` for each folder",
                    file.display()
                ));
            }
            for used in paths(&line, &module) {
                let Some(to) = place(&used) else {
                    continue;
                };
                seen += 1;
                if to < from {
                    let (file, line) = (file.display(), line.trim());
                    wrong.push(format!("{file}:{number}: {line}: {} is above", ORDER[to]));
                }
            }
        }
    }
    assert!(seen > 300, "only {seen} paths were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_way_to_write_a_path_is_seen() {
    let module = ["input", "s3", "queue"].map(str::to_owned);
    for (line, expected) in [
        ("use crate::export::Health;", "export::Health"),
        ("let x = crate::cli::run::run();", "cli::run::run"),
        ("use super::super::ingest::Limits;", "input::ingest::Limits"),
        ("use super::waits;", "input::s3::waits"),
        ("pub use self::x::Y;", "input::s3::queue::x::Y"),
    ] {
        let found = paths(line, &module);
        let found: Vec<_> = found.iter().map(|path| path.join("::")).collect();
        assert_eq!(found, [expected], "{line}");
    }
    let text = "a\n#[cfg(test)]\nmod tests;\nb\n#[cfg(test)]\nmod tests {\n    c\n}\nd // e\n";
    let lines: Vec<_> = product(text).map(|(_, line)| line).collect();
    assert_eq!(lines, ["a", "b", "d "]);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.file_stem().and_then(|name| name.to_str()) {
            Some("tests") => {}
            _ if path.is_dir() => found.extend(files(&path)),
            _ => found.push(path),
        }
    }
    found
}

/// The module that a file holds.
fn module(file: &Path) -> Vec<String> {
    let path = file.with_extension("");
    let names = path.iter().map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| name != "mod").collect()
}

/// The place of a path in the order.
fn place(path: &[String]) -> Option<usize> {
    let room = match path {
        [input, room, ..] if input == "input" && room.starts_with(char::is_lowercase) => {
            format!("input::{room}")
        }
        [room, ..] => room.clone(),
        [] => return None,
    };
    ORDER.iter().position(|known| *known == room)
}

/// The lines of a file, numbered, without its comments and its test modules.
fn product(text: &str) -> impl Iterator<Item = (usize, String)> {
    let (mut is_test, mut inside) = (false, false);
    let lines = text.lines().enumerate().filter_map(move |(index, line)| {
        if inside {
            inside = line != "}";
            return None;
        }
        if line == "#[cfg(test)]" {
            is_test = true;
            return None;
        }
        if std::mem::take(&mut is_test) {
            inside = line.ends_with('{');
            return None;
        }
        let code = line.split("//").next().unwrap_or_default();
        Some((index + 1, code.to_owned()))
    });
    lines.collect::<Vec<_>>().into_iter()
}

/// The paths in a line of `module`, from the crate's root on.
fn paths(line: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for text in line.split(|c| !is_path(c)) {
        let names: Vec<_> = text.split("::").filter(|name| !name.is_empty()).collect();
        let (start, rest) = match names.as_slice() {
            ["crate", rest @ ..] => (Vec::new(), rest),
            ["self", rest @ ..] => (module.to_vec(), rest),
            ["super", ..] => {
                let up = names.iter().take_while(|name| **name == "super").count();
                let above = module.len().saturating_sub(up);
                (module[..above].to_vec(), &names[up..])
            }
            _ => continue,
        };
        if rest.is_empty() {
            continue;
        }
        let rest = rest.iter().map(|name| (*name).to_owned());
        found.push(start.into_iter().chain(rest).collect());
    }
    found
}
