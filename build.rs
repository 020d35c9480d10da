//! Gives the program its commit, target and features, for `--version`, logs and metrics.
//!
//! The same source gives the same answer: no time, no path, no name of a machine.

use std::path::Path;
use std::process::Command;

/// `git archive` (and a download from a forge) writes the commit here; in a repository it stays as it is.
const ARCHIVED: &str = "$Format:%H$";
/// Digits of a commit that are shown.
const DIGITS: usize = 12;
/// What the program is made of: a change of these makes its commit dirty.
const SOURCES: [&str; 6] = [
    "src",
    "crates",
    "proto",
    "build.rs",
    "Cargo.toml",
    "Cargo.lock",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=QTRAIL_BUILD_COMMIT");
    let commit = given().or_else(archived).or_else(packaged).or_else(of_git);
    println!(
        "cargo::rustc-env=QTRAIL_COMMIT={}",
        commit.unwrap_or_default()
    );
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=QTRAIL_TARGET={target}");
    println!("cargo::rustc-env=QTRAIL_FEATURES={}", features().join(","));
}

fn features() -> Vec<String> {
    let names = std::env::vars().filter_map(|(name, _)| {
        let name = name.strip_prefix("CARGO_FEATURE_")?;
        Some(name.to_lowercase().replace('_', "-"))
    });
    let mut names: Vec<_> = names.filter(|name| name != "default").collect();
    names.sort();
    names
}

/// The commit that a packager names.
fn given() -> Option<String> {
    let given = std::env::var("QTRAIL_BUILD_COMMIT").ok()?;
    short(given.trim())
}

fn archived() -> Option<String> {
    short(ARCHIVED)
}

/// The commit in a package of `cargo package`.
fn packaged() -> Option<String> {
    let info = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, sha1) = info.split_once("\"sha1\": \"")?;
    let dirty = info.contains("\"dirty\": true");
    Some(short(sha1.split('"').next()?)? + if dirty { "-dirty" } else { "" })
}

/// The commit of this repository. A source tree inside another repository has none of its own.
fn of_git() -> Option<String> {
    let here = Path::new(".").canonicalize().ok()?;
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != here {
        return None;
    }
    // The log of HEAD grows with each commit and checkout.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    for path in SOURCES.into_iter().chain([&*log]) {
        if Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = short(&git(&["rev-parse", "HEAD"])?)?;
    let status = [&["status", "--porcelain", "--"][..], &SOURCES].concat();
    let changed = git(&status).is_some();
    Some(commit + if changed { "-dirty" } else { "" })
}

/// What git prints, unless that is nothing.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

/// The first digits of a commit.
fn short(commit: &str) -> Option<String> {
    let is_one = commit.len() >= DIGITS && commit.bytes().all(|b| b.is_ascii_hexdigit());
    is_one.then(|| commit[..DIGITS].to_owned())
}
