//! `--assemble` of more events than fit into `limits.memory`: the same output, from temporary files.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Cursor};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use qtrail::dead_letter::DeadLetters;
use qtrail::export::{Destination, Outcome};
use qtrail::pipeline::Truncation;
use qtrail_core::Converter;
use qtrail_core::assemble::{Assembler, FactsReader};
use qtrail_core::sorted::{Space, Storage};
use qtrail_sample::{conversation_trail, demo_trail};
use serde_json::Value;

use crate::assemble::trail;
use crate::ground_truth;
use crate::pipeline::unit;
use crate::support::flow::flow;
use crate::support::program::{event, json_lines, log_file, qtrail, records};

/// The exit code for the demo's trail, which has a record that cannot be read.
const ONE_CANNOT_BE_READ: Option<i32> = Some(3);

/// A folder with the files of all made trails, one of them with a name that is no text.
fn made() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("trail");
    ground_truth::write(&conversation_trail(0, 200), &folder);
    for (name, bytes) in demo_trail(1_790_000_000, 7) {
        fs::write(folder.join(name.replace('/', "-")), bytes).unwrap();
    }
    let name = OsStr::from_bytes(b"\xff.json");
    fs::write(folder.join(name), log_file(&trail())).unwrap();
    root
}

/// `convert --assemble` of the folder in so much memory: at least that of eight events.
fn convert(root: &Path, format: &str, memory: &str, temporary: &str) -> Output {
    let mut command = qtrail();
    command
        .args([
            "convert",
            "trail",
            "--assemble",
            "--select",
            "all",
            "--format",
            format,
        ])
        .current_dir(root)
        .env("QTRAIL_LIMITS_EVENT_BYTES", "16KiB")
        .env("QTRAIL_LIMITS_MEMORY", memory)
        .env("TMPDIR", temporary);
    command.output().unwrap()
}

#[test]
fn the_output_is_the_same_in_any_memory() {
    let root = made();
    let of = |format, memory| {
        let output = convert(root.path(), format, memory, "/tmp");
        let diagnostics = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), ONE_CANNOT_BE_READ, "{diagnostics}");
        json_lines(&output.stdout)
    };
    // The memory in flight cuts the requests, whose spans are grouped by resource.
    let spans = |memory| {
        let lines = of("otlp", memory);
        let spans = |line| records(line, "resourceSpans", "scopeSpans", "spans");
        let mut spans: Vec<_> = lines.iter().flat_map(spans).collect();
        spans.sort_by_cached_key(Value::to_string);
        spans
    };
    let (expected, events) = (spans("1GiB"), of("events", "1GiB"));
    let roots = |span: &&Value| span["name"] == "conversation";
    assert!(expected.iter().filter(roots).count() > 150);
    assert!(events.len() > 2000);
    for memory in ["128KiB", "600KiB"] {
        assert!(spans(memory) == expected, "{memory}");
        assert!(of("events", memory) == events, "{memory}");
    }
}

#[test]
fn nothing_is_converted_if_what_does_not_fit_cannot_be_kept() {
    let root = made();
    for format in ["otlp", "events"] {
        let output = convert(root.path(), format, "128KiB", "/nowhere");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(output.stdout, b"");
        let remedies = ["/nowhere", "set TMPDIR", "QTRAIL_LIMITS_MEMORY"];
        assert!(
            remedies.iter().all(|remedy| said.contains(remedy)),
            "{said}"
        );
        let output = convert(root.path(), format, "1GiB", "/nowhere");
        assert_eq!(output.status.code(), ONE_CANNOT_BE_READ, "it needs no file");
    }
}

#[tokio::test]
async fn an_event_whose_place_cannot_be_read_is_not_delivered() {
    static IS_BROKEN: AtomicBool = AtomicBool::new(false);
    #[derive(Debug)]
    struct Breaks(File);
    impl Storage for Breaks {
        fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
            self.0.write_all_at(bytes, at)
        }
        fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
            match IS_BROKEN.load(Ordering::Relaxed) {
                true => Err(io::Error::other("the disk is broken")),
                false => self.0.read_at(into, at),
            }
        }
    }
    let mut assembler = Assembler::new(Space {
        memory_bytes: 0,
        storage: || Ok(Arc::new(Breaks(tempfile::tempfile()?))),
    });
    let content = Cursor::new(log_file(&[event("a"), event("b")]));
    let (converter, mut reader) = (Converter::default(), FactsReader::default());
    let each = |facts| assembler.add(facts).is_ok();
    let read = reader.read(&converter, content.clone(), None, each);
    read.unwrap();
    let tree = Arc::new(assembler.finish().unwrap());
    for broken in [false, true] {
        IS_BROKEN.store(broken, Ordering::Relaxed);
        let flow = flow(Destination::Discard, DeadLetters::none(), 1 << 20);
        let pipeline = flow.pipeline.with_tree(Arc::clone(&tree));
        let unit = unit(content.clone(), Truncation::Reject);
        let report = pipeline.deliver(unit).await;
        let error = broken.then(|| "the disk is broken".to_owned());
        assert_eq!(
            (report.read_error, report.counts.exported),
            (error, 2 * u64::from(!broken))
        );
        assert_eq!(report.outcome == Outcome::Delivered, !broken);
    }
}
