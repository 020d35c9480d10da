//! Checks of the directory and of all files that a run writes.

use std::path::Path;

use super::folder::writable;
use super::{Finding, Warning};
use crate::cli::count;
use crate::config::Config;
use crate::export::{self, Destination};
use crate::input::directory::{self, After, Error, Settings};
use crate::pipeline::{assembly, dedup};
use crate::proof::watch;

pub(super) fn findings(config: &Config) -> (Vec<Finding>, Vec<Warning>) {
    let (mut findings, mut warnings) = (Vec::new(), Vec::new());
    if let Some(directory) = &config.directory {
        look(directory, &mut findings, &mut warnings);
        if let After::Move(target) = &directory.after {
            let what = format!("directory.after, move to {}", target.display());
            findings.push(Finding::new(what, writable(target, || ok("writable"))));
        }
        let what = format!("state {}", directory.state.display());
        let usable = || match directory::check(directory) {
            // The root has a line of its own.
            Ok(()) | Err(Error::Root { .. }) => ok("writable"),
            Err(error) => Err(error.to_string()),
        };
        findings.push(Finding::new(what, writable(&directory.state, usable)));
    }
    #[cfg(feature = "aws")]
    if let Some(history) = &config.event_history {
        let what = format!("Event history state in {}", history.state.display());
        let usable = || match crate::input::event_history::check(history) {
            Ok(()) => ok("writable"),
            Err(error) => Err(error.to_string()),
        };
        findings.push(Finding::new(what, writable(&history.state, usable)));
    }
    if let Some(duplicates) = &config.duplicates {
        let what = format!("duplicate ids in {}", duplicates.folder.display());
        let usable = || match dedup::check(duplicates) {
            Ok(()) => ok("writable"),
            Err(error) => Err(error.to_string()),
        };
        findings.push(Finding::new(what, writable(&duplicates.folder, usable)));
    }
    if config.assembly.is_some() {
        let what = format!("places of assembled events in {}", config.state.display());
        let usable = || match assembly::check(&config.state) {
            Ok(()) => ok("writable"),
            Err(error) => Err(error.to_string()),
        };
        findings.push(Finding::new(what, writable(&config.state, usable)));
    }
    if config.verification.is_some() && config.directory.is_some() {
        let what = format!("times of the verification in {}", config.state.display());
        let usable = || match watch::check(&config.state) {
            Ok(()) => ok("writable"),
            Err(error) => Err(error.to_string()),
        };
        findings.push(Finding::new(what, writable(&config.state, usable)));
    }
    let letters = &config.dead_letters;
    let what = format!("dead letters {}", letters.path.display());
    let usable = || {
        with_remedy(
            letters.check(),
            "choose another file with dead_letters.path",
        )
    };
    findings.push(Finding::new(what, in_folder(&letters.path, usable)));
    if let Destination::File(path) = &config.export.destination {
        let what = format!("export.file {}", path.display());
        let usable = || with_remedy(export::check_file(path), "choose another file");
        let folder = folder(path);
        let result = match folder.is_dir() {
            true => in_folder(path, usable),
            // A run does not create it.
            false => Err(format!(
                "{} is not a directory: create it",
                folder.display()
            )),
        };
        findings.push(Finding::new(what, result));
    }
    (findings, warnings)
}

fn ok(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn with_remedy(result: std::io::Result<&str>, remedy: &str) -> Result<String, String> {
    result.map(str::to_owned).map_err(|error| {
        // Errors without a code have a remedy already.
        match error.raw_os_error() {
            Some(_) => format!("cannot be written: {error} (fix this, or {remedy})"),
            None => format!("cannot be written: {error}"),
        }
    })
}

/// Checks a file, and its folder, in which more files may be created; not the folder of a device.
fn in_folder(
    path: &Path,
    usable: impl FnOnce() -> Result<String, String>,
) -> Result<String, String> {
    match path.metadata() {
        Ok(there) if !there.is_file() => usable(),
        _ => writable(folder(path), usable),
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn look(settings: &Settings, findings: &mut Vec<Finding>, warnings: &mut Vec<Warning>) {
    let what = || format!("directory {}", settings.root.display());
    let found = match directory::look(settings) {
        Ok(found) => found,
        Err(Error::Root { source, .. }) => {
            let text = format!(
                "cannot be read: {source} (give qtrail's user read permission, or choose another directory)"
            );
            return findings.push(Finding::new(what(), Err::<String, _>(text)));
        }
        Err(error) => return findings.push(Finding::new(what(), Err::<String, _>(error))),
    };
    findings.push(Finding::new(
        what(),
        Ok::<_, String>(match (found.files, found.more) {
            (0, false) => "readable, no files".to_owned(),
            (files, false) => format!("readable, {}", count(files, "file")),
            (files, true) => format!("readable, at least {}", count(files, "file")),
        }),
    ));
    if found.files == 0 && found.left_out > 0 && !found.more {
        warnings.push(Warning {
            what: what(),
            text: format!(
                "{} ignored: change directory.include or directory.exclude",
                match found.left_out {
                    1 => "the only file is".to_owned(),
                    files => format!("all {files} files are"),
                }
            ),
        });
    }
    for (problem, remedy) in [
        (
            found
                .unreadable
                .map(|(n, one)| format!("{} cannot be read, such as {one}", count(n, "file"))),
            "give qtrail's user read permission, or exclude them with directory.exclude".to_owned(),
        ),
        (
            found
                .unlisted
                .map(|(n, one)| format!("{} cannot be listed, such as {one}", count(n, "folder"))),
            "give qtrail's user permission to list them, or exclude them with directory.exclude"
                .to_owned(),
        ),
        (
            found.kept.map(|(n, one)| {
                let folders = count(n, "folder");
                format!("files cannot be moved or deleted in {folders}, such as {one}")
            }),
            "give qtrail's user write permission, or set directory.after: keep".to_owned(),
        ),
    ] {
        if let Some(problem) = problem {
            let text = format!("{problem} ({remedy})");
            findings.push(Finding::new(what(), Err::<String, _>(text)));
        }
    }
}
