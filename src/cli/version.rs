//! `qtrail version`, and the text of `qtrail --version`.

use std::sync::LazyLock;

use serde_json::json;

use super::Exit;
use super::args::{TextFormat, VersionArgs};
use crate::runtime::build_info::{self, TARGET, VERSION};

/// Prints what this program is.
pub(super) fn run(args: &VersionArgs) -> anyhow::Result<Exit> {
    super::print(&match args.format {
        TextFormat::Text => format!("qtrail {}\n", text()),
        TextFormat::Json => format!("{}\n", json()),
    })
}

/// The version, then one line each for commit, target and features.
pub(super) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let features: Vec<_> = build_info::features().collect();
        let features = match features.is_empty() {
            true => "none".to_owned(),
            false => features.join(", "),
        };
        let commit = build_info::commit().unwrap_or("unknown");
        format!("{VERSION}\ncommit    {commit}\ntarget    {TARGET}\nfeatures  {features}")
    });
    &TEXT
}

fn json() -> serde_json::Value {
    json!({
        "version": VERSION,
        "commit": build_info::commit(),
        "target": TARGET,
        "features": build_info::features().collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn text_and_json_say_the_same() {
        let (text, json) = (text(), json());
        assert!(text.starts_with(env!("CARGO_PKG_VERSION")), "{text}");
        for (name, label) in [("commit", "commit    "), ("target", "target    ")] {
            let value = json[name].as_str().unwrap_or("unknown");
            assert!(text.contains(&format!("\n{label}{value}\n")), "{text}");
        }
        let has_aws = |what: bool| assert_eq!(what, cfg!(feature = "aws"), "{text} {json}");
        has_aws(text.contains("aws"));
        has_aws(json["features"] == json!(["aws"]));
    }

    #[test]
    fn the_commit_is_that_of_the_repository() {
        let git = Command::new("git")
            .args(["rev-parse", "HEAD"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output();
        // A packaged source has no repository.
        let Ok(head) = git else { return };
        let head = String::from_utf8(head.stdout).unwrap();
        if let Some(commit) = build_info::commit().filter(|_| !head.is_empty()) {
            assert!(
                head.starts_with(commit.trim_end_matches("-dirty")),
                "{commit} {head}"
            );
        }
    }
}
