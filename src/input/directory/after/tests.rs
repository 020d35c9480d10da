use super::*;

struct Tree {
    _folder: tempfile::TempDir,
    root: PathBuf,
    target: PathBuf,
    all: StagedFiles,
}

const FILE: &str = "a/f.json";

fn tree() -> Tree {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("a")).unwrap();
    fs::write(root.join(FILE), "one").unwrap();
    Tree {
        target: folder.path().join("done"),
        root,
        _folder: folder,
        all: StagedFiles::default(),
    }
}

impl Tree {
    fn stat(&self) -> Stat {
        Stat::of(&self.root.join(FILE).symlink_metadata().unwrap())
    }

    fn stage(&self, read: &Stat) -> io::Result<Staged<'_>> {
        stage(&self.all, &self.root, Path::new(FILE), read, |_, rename| {
            rename()
        })
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.root.join("a")).unwrap();
        let mut names: Vec<_> = names
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_file_that_changed_since_it_was_read_keeps_its_name() {
    let tree = tree();
    let read = tree.stat();
    fs::write(tree.root.join(FILE), "longer").unwrap();
    let error = tree.stage(&read).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StaleNetworkFileHandle);
    assert_eq!(tree.names(), ["f.json"]);
    tree.stage(&tree.stat()).unwrap().delete().unwrap();
    assert_eq!(tree.names(), [""; 0]);
}

#[test]
fn what_is_renamed_over_a_file_that_is_aside_stays() {
    let tree = tree();
    let staged = tree.stage(&tree.stat()).unwrap();
    fs::write(tree.root.join("new"), "new").unwrap();
    fs::rename(tree.root.join("new"), tree.root.join(FILE)).unwrap();
    assert!(staged.is_unchanged().unwrap());
    staged.delete().unwrap();
    assert_eq!(tree.names(), ["f.json"]);
    assert_eq!(fs::read(tree.root.join(FILE)).unwrap(), b"new");
}

#[test]
fn what_is_written_to_a_file_that_is_aside_is_seen_and_it_gets_its_name_back() {
    let tree = tree();
    let mut writer = OpenOptions::new()
        .append(true)
        .open(tree.root.join(FILE))
        .unwrap();
    let staged = tree.stage(&tree.stat()).unwrap();
    assert_eq!(tree.names(), [".qtrail~0~f.json"]);
    io::Write::write_all(&mut writer, b" and two").unwrap();
    assert!(!staged.is_unchanged().unwrap());
    staged.restore().unwrap();
    assert_eq!(tree.names(), ["f.json"]);
    assert_eq!(fs::read(tree.root.join(FILE)).unwrap(), b"one and two");
}

#[test]
fn a_name_that_was_taken_meanwhile_is_not_taken_back() {
    let tree = tree();
    let staged = tree.stage(&tree.stat()).unwrap();
    fs::write(tree.root.join(FILE), "new").unwrap();
    let error = staged.restore().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(tree.names(), [".qtrail~0~f.json", "f.json"]);
    assert_eq!(fs::read(tree.root.join(FILE)).unwrap(), b"new");
    // Nor is the staged one overwritten by the next.
    let second = tree.stage(&tree.stat()).unwrap();
    assert_eq!(tree.names(), [".qtrail~0~f.json", ".qtrail~1~f.json"]);
    second.delete().unwrap();
}

#[test]
fn what_a_killed_process_left_aside_is_recovered_and_what_is_under_way_is_not() {
    let tree = tree();
    let left = Path::new("a/.qtrail~0~f.json");
    let staged = tree.stage(&tree.stat()).unwrap();
    assert_eq!(tree.all.recover(&tree.root, left).unwrap(), None);
    drop(staged);
    let recovered = tree.all.recover(&tree.root, left).unwrap();
    assert_eq!(recovered.as_deref(), Some(Path::new(FILE)));
    assert_eq!(tree.names(), ["f.json"]);

    fs::write(tree.root.join(left), "left").unwrap();
    let error = tree.all.recover(&tree.root, left).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    // Then it is put away from where it is.
    let read = Stat::of(&tree.root.join(left).symlink_metadata().unwrap());
    let staged = stage(&tree.all, &tree.root, left, &read, |_, rename| rename()).unwrap();
    let to = staged.relocate(&tree.target).unwrap();
    assert_eq!(to, tree.target.join(FILE));
}

#[test]
fn names_of_files_aside_are_told_from_others() {
    let of =
        |name: &str| original(&Path::new("d").join(name)).map(|n| n.to_str().unwrap().to_owned());
    assert_eq!(of(".qtrail~12~a~b.json").as_deref(), Some("a~b.json"));
    for other in [
        ".qtrail~~a",
        ".qtrail~1~",
        ".qtrail~x~a",
        ".qtrail",
        "a.qtrail~1~b",
    ] {
        assert_eq!(of(other), None, "{other}");
    }
}

#[test]
fn a_moved_file_overwrites_nothing() {
    let tree = tree();
    fs::create_dir_all(tree.target.join("a")).unwrap();
    fs::write(tree.target.join(FILE), "zero").unwrap();
    fs::write(tree.target.join("a/f.json.1"), "zero").unwrap();
    let to = tree.stage(&tree.stat()).unwrap();
    let to = to.relocate(&tree.target).unwrap();
    assert_eq!(to, tree.target.join("a/f.json.2"));
    assert_eq!(fs::read(to).unwrap(), b"one");
    assert_eq!(fs::read(tree.target.join(FILE)).unwrap(), b"zero");
    assert_eq!(tree.names(), [""; 0]);
}

#[test]
fn a_copy_overwrites_nothing_either() {
    let tree = tree();
    let wanted = tree.root.join("copies/f.json");
    fs::create_dir_all(wanted.parent().unwrap()).unwrap();
    let staged = tree.stage(&tree.stat()).unwrap();
    let copies = [staged.copy(&wanted).unwrap(), staged.copy(&wanted).unwrap()];
    assert_ne!(copies[0], copies[1]);
    for copy in copies {
        assert_eq!(fs::read(copy).unwrap(), b"one");
    }
    assert!(!wanted.exists());
}

#[test]
fn a_folder_that_became_a_link_is_not_followed() {
    let tree = tree();
    let read = tree.stat();
    let outside = tree.root.with_file_name("outside");
    fs::rename(tree.root.join("a"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, tree.root.join("a")).unwrap();
    #[cfg(target_os = "linux")]
    assert!(tree.stage(&read).is_err());
    assert!(outside.join("f.json").exists());
}
