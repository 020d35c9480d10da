//! Whether a folder can be made and written in: tried, since only a try tells of a full disk, a quota, or a file
//! system that is read only.

use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What is written for a try: more than the state and the window take when they are made.
const BYTES: usize = 256 << 10;
const REMEDY: &str = "free some space, let qtrail's user write there, or name another place";

/// Tries to make the folder, if it is missing, and to write a file without a name in it; `then` is tried while it
/// is there. What was made is taken away again.
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
        false => "will be made".to_owned(),
    })
}

fn make(folder: &Path, made: &mut Vec<PathBuf>) -> Result<(), String> {
    let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let mut missing: Vec<_> = folder.ancestors().take_while(missing).collect();
    while let Some(folder) = missing.pop() {
        let result = DirBuilder::new().mode(0o700).create(folder);
        result.map_err(|error| {
            let folder = folder.display();
            format!("{folder} cannot be made: {error} ({REMEDY})")
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
        return Err(format!("{} is no directory ({REMEDY})", folder.display()));
    }
    let written = tempfile::tempfile_in(folder).and_then(|mut file| {
        file.write_all(&[0; BYTES])?;
        file.sync_all()
    });
    // Its own words name a file that is none of the user's.
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
    fn folders_are_told_by_what_can_be_done_with_them_and_left_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(tried(dir.path()).as_deref(), Ok("writable"));
        let deep = dir.path().join("a/b");
        assert_eq!(tried(&deep).as_deref(), Ok("will be made"));
        let result = writable(&deep, || Err(format!("{}", deep.is_dir())));
        assert_eq!(result.unwrap_err(), "true", "it is there for the next try");
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("nowhere/b", dir.path().join("link")).unwrap();
        for (path, part) in [
            (file.clone(), "is no directory"),
            (file.join("a"), "cannot be made"),
            (dir.path().join("link"), "cannot be made"),
            (dir.path().join("n".repeat(300)), "cannot be made"),
            ("/proc/qtrail/a".into(), "/proc/qtrail cannot be made"),
            ("/proc".into(), "cannot write to /proc: "),
        ] {
            let text = tried(&path).unwrap_err();
            assert!(text.contains(part), "{text}");
        }
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 2, "a check changes nothing");
    }
}
