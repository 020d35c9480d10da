//! Writes a trail of 200 conversations into a folder, and the truth about it into `truth.jsonl` beside it.
//!
//!     cargo run -p qtrail-sample --example conversations -- DIR [SEED]

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1) else {
        return Err(std::io::Error::other("name a folder"));
    };
    let folder = Path::new(&folder);
    let seed = std::env::args().nth(2).and_then(|seed| seed.parse().ok());
    let trail = qtrail_sample::conversation_trail(seed.unwrap_or(0), 200);
    for (path, bytes) in &trail.files {
        let path = folder.join("trail").join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, bytes)?;
    }
    fs::write(folder.join("truth.jsonl"), trail.truth_lines())
}
