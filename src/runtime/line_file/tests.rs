use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

fn kind() -> Kind {
    Kind {
        line_start: b"{",
        mode: 0o600,
        makes_folder: false,
        rotation: None,
    }
}

fn rotating(max_bytes: u64, keep: u32, erases: bool) -> Kind {
    Kind {
        rotation: Some(Rotation {
            max_bytes,
            keep,
            erases,
        }),
        ..kind()
    }
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    (folder, path)
}

fn append(file: &mut LineFile, line: &str) -> io::Result<u64> {
    file.append(line.len() as u64 + 1, &|out| writeln!(out, "{line}"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_file_that_was_moved_or_removed_is_made_anew() {
    let (folder, path) = place();
    let mut file = LineFile::open(&path, kind()).unwrap();
    append(&mut file, "{1").unwrap();
    let aside = folder.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    append(&mut file, "{2").unwrap();
    assert_eq!((read(&aside), read(&path)), ("{1\n".into(), "{2\n".into()));
    fs::remove_file(&path).unwrap();
    append(&mut file, "{3").unwrap();
    // As logrotate does with `create`.
    fs::rename(&path, &aside).unwrap();
    fs::write(&path, "").unwrap();
    append(&mut file, "{4").unwrap();
    assert_eq!((read(&aside), read(&path)), ("{3\n".into(), "{4\n".into()));
}

#[test]
fn a_file_that_was_truncated_has_neither_holes_nor_half_lines() {
    let (_folder, path) = place();
    let mut file = LineFile::open(&path, kind()).unwrap();
    for left in [0, 4, 6] {
        append(&mut file, "{1").unwrap();
        append(&mut file, "{2").unwrap();
        let there = fs::OpenOptions::new().write(true).open(&path).unwrap();
        there.set_len(left).unwrap();
        append(&mut file, "{3").unwrap();
        let whole = ["", "{1\n", "{1\n{2\n"][left as usize / 3];
        assert_eq!(read(&path), format!("{whole}{{3\n"), "cut to {left}");
        there.set_len(0).unwrap();
    }
}

#[test]
fn what_happens_while_lines_are_written_costs_none_of_them() {
    let removed = |path: &Path| fs::remove_file(path).unwrap();
    let truncated = |path: &Path| {
        let there = fs::OpenOptions::new().write(true).open(path).unwrap();
        there.set_len(0).unwrap();
    };
    let long = format!("{{{}", "x".repeat(3 * BUFFER));
    for happens in [&removed as &dyn Fn(&Path), &truncated] {
        for at in [0, BUFFER / 2, 2 * BUFFER, long.len()] {
            let (_folder, path) = place();
            let mut file = LineFile::open(&path, kind()).unwrap();
            append(&mut file, "{before").unwrap();
            let first = Cell::new(true);
            let mut lines = || {
                file.append(long.len() as u64 + 1, &|out| {
                    out.write_all(&long.as_bytes()[..at])?;
                    if first.replace(false) {
                        happens(&path);
                    }
                    writeln!(out, "{}", &long[at..])
                })
            };
            assert!(lines().is_err(), "at {at}");
            lines().unwrap();
            assert!(read(&path) == format!("{long}\n"), "at {at}");
        }
    }
}

#[test]
fn after_an_error_none_of_the_lines_is_there() {
    let (_folder, path) = place();
    let mut file = LineFile::open(&path, kind()).unwrap();
    append(&mut file, "{1").unwrap();
    for before in [10, 3 * BUFFER] {
        let failed = file.append(0, &|out| {
            out.write_all(&vec![b'{'; before])?;
            Err(io::Error::other("no space"))
        });
        assert!(failed.is_err());
        assert_eq!(read(&path), "{1\n");
    }
    append(&mut file, "{2").unwrap();
    assert_eq!(read(&path), "{1\n{2\n");
}

#[test]
fn half_a_line_of_ours_is_cut_off_and_nothing_else() {
    let (_folder, path) = place();
    fs::write(&path, format!("{{1\n{{{}", "x".repeat(3 * BUFFER))).unwrap();
    append(&mut LineFile::open(&path, kind()).unwrap(), "{2").unwrap();
    assert_eq!(read(&path), "{1\n{2\n");
    fs::write(&path, "Dear Sir,").unwrap();
    let error = LineFile::open(&path, kind()).unwrap_err().to_string();
    assert!(error.contains("choose another file"), "{error}");
    assert_eq!(read(&path), "Dear Sir,");
}

#[test]
fn of_two_writers_one_has_the_file_by_whatever_name() {
    let (folder, path) = place();
    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    let mut first = LineFile::open(&path, kind()).unwrap();
    append(&mut first, "{1").unwrap();
    for name in [&path, &link] {
        for opened in [
            LineFile::open(name, kind()),
            LineFile::begin_anew(name, kind()),
        ] {
            let error = opened.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
            let holder = format!("another process (pid {})", std::process::id());
            assert!(error.to_string().contains(&holder), "{error}");
        }
    }
    assert_eq!(read(&path), "{1\n", "and it is not truncated");
    drop(first);
    append(&mut LineFile::open(&link, kind()).unwrap(), "{2").unwrap();
    drop(LineFile::begin_anew(&link, kind()).unwrap());
    assert_eq!(read(&path), "");
}

#[test]
fn a_file_that_another_has_taken_meanwhile_is_left_to_it() {
    let (folder, path) = place();
    let mut first = LineFile::open(&path, kind()).unwrap();
    fs::rename(&path, folder.path().join("aside")).unwrap();
    let mut second = LineFile::open(&path, kind()).unwrap();
    append(&mut second, "{2").unwrap();
    let error = append(&mut first, "{1").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    drop(second);
    append(&mut first, "{1").unwrap();
    assert_eq!(read(&path), "{2\n{1\n");
}

#[test]
fn a_link_leads_on_wherever_it_points() {
    let (folder, path) = place();
    let target = |name: &str| folder.path().join(name).join("real");
    for name in ["a", "b"] {
        fs::create_dir(target(name).parent().unwrap()).unwrap();
    }
    symlink(target("a"), &path).unwrap();
    let mut file = LineFile::open(&path, rotating(5, 2, true)).unwrap();
    append(&mut file, "{1").unwrap();
    append(&mut file, "{2").unwrap();
    assert_eq!(read(target("a")), "{2\n");
    assert_eq!(read(folder.path().join("a/real.1")), "{1\n");
    assert!(path.is_symlink());
    assert_eq!(bytes_on_disk(&path, 2), 6);
    fs::remove_file(&path).unwrap();
    symlink(target("b"), &path).unwrap();
    append(&mut file, "{3").unwrap();
    assert_eq!(read(target("b")), "{3\n");
}

#[test]
fn a_folder_that_is_gone_is_made_again_or_waited_for() {
    for makes_folder in [true, false] {
        let (folder, _) = place();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let path = inner.join("lines");
        let kind = Kind {
            makes_folder,
            ..kind()
        };
        let mut file = LineFile::open(&path, kind).unwrap();
        append(&mut file, "{1").unwrap();
        fs::remove_dir_all(&inner).unwrap();
        if !makes_folder {
            let error = append(&mut file, "{2").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            fs::create_dir(&inner).unwrap();
        }
        append(&mut file, "{2").unwrap();
        assert_eq!(read(&path), "{2\n");
    }
}

#[test]
fn devices_and_pipes_are_written_as_they_are_by_anyone() {
    let mut null = LineFile::open(Path::new("/dev/null"), rotating(1, 1, true)).unwrap();
    let mut again = LineFile::begin_anew(Path::new("/dev/null"), kind()).unwrap();
    append(&mut null, "{1").unwrap();
    append(&mut again, "{1").unwrap();
    let mut full = LineFile::open(Path::new("/dev/full"), kind()).unwrap();
    assert!(append(&mut full, "{1").is_err());

    let (_folder, path) = place();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
    let reader = {
        let path = path.clone();
        std::thread::spawn(move || read(path))
    };
    let mut first = LineFile::open(&path, kind()).unwrap();
    let mut second = LineFile::open(&path, kind()).unwrap();
    append(&mut first, "{1").unwrap();
    append(&mut second, "{2").unwrap();
    drop((first, second));
    assert_eq!(reader.join().unwrap(), "{1\n{2\n");
}

#[test]
fn full_files_are_put_aside_and_the_oldest_is_erased_with_its_number_of_lines() {
    let (folder, path) = place();
    let mut file = LineFile::open(&path, rotating(6, 2, true)).unwrap();
    let mut erased = Vec::new();
    for line in ["{1", "{2", "{3", "{4", "{5", "{6", "{7"] {
        erased.push(append(&mut file, line).unwrap());
    }
    assert_eq!(erased, [0, 0, 0, 0, 0, 0, 2]);
    let numbered = |n: u32| read(folder.path().join(format!("lines.{n}")));
    assert_eq!(
        (read(&path), numbered(1), numbered(2)),
        ("{7\n".into(), "{5\n{6\n".into(), "{3\n{4\n".into())
    );
    assert!(!folder.path().join("lines.3").exists());
}

#[test]
fn a_number_that_is_free_is_taken_before_anything_is_erased() {
    let (folder, path) = place();
    let mut file = LineFile::open(&path, rotating(1, 3, true)).unwrap();
    for line in ["{1", "{2", "{3", "{4"] {
        append(&mut file, line).unwrap();
    }
    fs::remove_file(folder.path().join("lines.2")).unwrap();
    assert_eq!(append(&mut file, "{5").unwrap(), 0);
    let numbered = |n: u32| read(folder.path().join(format!("lines.{n}")));
    assert_eq!(
        (numbered(1), numbered(2), numbered(3)),
        ("{4\n".into(), "{3\n".into(), "{1\n".into())
    );
}

#[test]
fn where_nothing_may_be_erased_the_file_goes_on_growing() {
    for keep in [0, 1] {
        let (folder, path) = place();
        let mut file = LineFile::open(&path, rotating(1, keep, false)).unwrap();
        for line in ["{1", "{2", "{3", "{4"] {
            assert_eq!(append(&mut file, line).unwrap(), 0);
        }
        assert_eq!(bytes_on_disk(&path, keep), 12);
        if keep == 1 {
            let aside = folder.path().join("lines.1");
            assert_eq!(
                (read(&path), read(&aside)),
                ("{2\n{3\n{4\n".into(), "{1\n".into())
            );
            fs::remove_file(aside).unwrap();
            append(&mut file, "{5").unwrap();
            assert_eq!(read(&path), "{5\n");
        }
    }
}
