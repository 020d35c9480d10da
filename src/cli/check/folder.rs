//! Checks that a folder can be created and written to, by doing so: only that detects a full disk, a quota or a
//! read-only file system.

use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Bytes written to test a folder: more than new state files take.
const BYTES: usize = 256 << 10;
const REMEDY: &str = "free some space, give qtrail's user write permission, or choose another path";

/// Creates the folder if it is missing, writes an unnamed file in it, and calls `then` while it exists. Folders
/// that were created are removed again.
pub(super) fn writable(
    folder: &Path,
    then: impl FnOnce() -> Result<String, String>,
) -> Result<String, String> {
    let mut made = Vec::new();
    let tried = make(folder, &mut made)
        .and_then(|()| write(folder))
        .and_then(|()| then());
    for folder in made.iter().rev() {
        // Another process may be using it by now.
        let _ = std::fs::remove_dir(folder);
    }
    tried.map(|text| match made.is_empty() {
        true => text,
        false => "will be created".to_owned(),
    })
}

fn make(folder: &Path, made: &mut Vec<PathBuf>) -> Result<(), String> {
    let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let mut missing: Vec<_> = folder.ancestors().take_while(missing).collect();
    while let Some(folder) = missing.pop() {
        let result = DirBuilder::new().mode(0o700).create(folder);
        result.map_err(|error| {
            let folder = folder.display();
            format!("{folder} cannot be created: {error} ({REMEDY})")
        })?;
        made.push(folder.to_owned());
    }
    Ok(())
}

fn write(folder: &Path) -> Result<(), String> {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    if !folder.is_dir() {
        return Err(format!(
            "{} is not a directory ({REMEDY})",
            folder.display()
        ));
    }
    let written = tempfile::tempfile_in(folder).and_then(|mut file| {
        file.write_all(&[0; BYTES])?;
        file.sync_all()
    });
    // The original message names a temporary file.
    written.map_err(|error| {
        let error = match error.raw_os_error() {
            Some(code) => std::io::Error::from_raw_os_error(code).to_string(),
            None => std::io::Error::from(error.kind()).to_string(),
        };
        format!("cannot write to {}: {error} ({REMEDY})", folder.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(folder: &Path) -> Result<String, String> {
        writable(folder, || Ok("writable".to_owned()))
    }

    #[test]
    fn folders_are_tested_and_left_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(tried(dir.path()).as_deref(), Ok("writable"));
        let deep = dir.path().join("a/b");
        assert_eq!(tried(&deep).as_deref(), Ok("will be created"));
        let result = writable(&deep, || Err(format!("{}", deep.is_dir())));
        assert_eq!(result.unwrap_err(), "true", "it exists while `then` runs");
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("nowhere/b", dir.path().join("link")).unwrap();
        for (path, part) in [
            (file.clone(), "is not a directory"),
            (file.join("a"), "cannot be created"),
            (dir.path().join("link"), "cannot be created"),
            (dir.path().join("n".repeat(300)), "cannot be created"),
            ("/proc/qtrail/a".into(), "/proc/qtrail cannot be created"),
            ("/proc".into(), "cannot write to /proc: "),
        ] {
            let text = tried(&path).unwrap_err();
            assert!(text.contains(part), "{text}");
        }
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 2, "a check changes nothing");
    }
}
