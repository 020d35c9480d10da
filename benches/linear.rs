//! Whether the work grows in proportion to the input: instructions for a byte, at two sizes.
//!
//! `cargo bench -p qtrail-core --bench linear` runs each case below under Valgrind, once with
//! [`BYTES`] and once with twice as many, and prints what a byte more costs. `-- CASE…` runs some of
//! them. Instructions are counted, so a busy machine changes nothing; nothing is asserted.

use std::error::Error;
use std::fmt::Write as _;
use std::process::Command;

use qtrail_core::convert::{Body, Options, Placement, convert};
use qtrail_core::envelope::{Item, Limits, open};
use qtrail_core::event::Event;
use qtrail_core::otlp::{Encoder, Flat, Payload, Signal};

/// Bytes of a case, about.
const BYTES: usize = 100_000;
/// A byte more that costs so many times what a byte costs at first stands out.
const SUSPICIOUS: f64 = 1.5;

type Failed = Box<dyn Error>;

/// A name, and the records of about so many bytes.
type Case = (&'static str, fn(usize) -> String);

const CASES: &[Case] = &[
    // Many secrets, and texts to look for them in.
    ("secrets and a text", |bytes| {
        let secrets = list(bytes / 48, |number| format!("\"secret {number:07}\""));
        let text = repeated("secret 0000007 ", bytes / 2);
        event(&format!(r#"{{"password":[{secrets}],"z":"{text}"}}"#))
    }),
    ("secrets that end alike", |bytes| {
        let secrets = list(200, |number| {
            format!("{{\"token\":\"b{}\"}}", "a".repeat(number + 4))
        });
        let text = "a".repeat(bytes);
        event(&format!(r#"{{"x":[{secrets}],"z":"{text}"}}"#))
    }),
    ("a secret in each text", |bytes| {
        let texts = list(bytes / 14, |number| format!("\"a:b=c{number}\""));
        event(&format!(r#"{{"password":"hunter22","z":[{texts}]}}"#))
    }),
    ("names and values", |bytes| {
        let pairs = list(bytes / 40, |number| {
            format!(r#"{{"name":"password","value":"v{number}"}}"#)
        });
        event(&format!(r#"{{"z":[{pairs}]}}"#))
    }),
    ("one name, many values", |bytes| {
        let values = list(bytes / 30, |number| {
            format!(r#""name":"password","value":"v{number}""#)
        });
        event(&format!(r#"{{"z":{{{values}}}}}"#))
    }),
    ("secret keys in secret keys", |bytes| {
        let deep = format!(
            "{}\"x\"{}",
            r#"{"secret":{"id":"a","secret":"#.repeat(25),
            "}}".repeat(25)
        );
        let copies = list(bytes / deep.len(), |_| deep.clone());
        event(&format!(r#"{{"z":[{copies}]}}"#))
    }),
    ("resources and a secret", |bytes| {
        let arns = list(bytes / 40, |number| {
            format!(r#"{{"ARN":"arn:aws:s3:::b{number}"}}"#)
        });
        event(&format!(
            r#"{{"password":"hunter22"}},"resources":[{arns}],"x":{{}}"#
        ))
    }),
    // What searches of texts begin with.
    ("text: =", |bytes| text("=", bytes)),
    ("text: --", |bytes| text("--", bytes)),
    ("text: token=", |bytes| text("token=", bytes)),
    ("text: token=\\\"", |bytes| text("token=\\\"", bytes)),
    ("text: --token ", |bytes| text("--token ", bytes)),
    ("text: ://a:b@", |bytes| text("://a:b@", bytes)),
    ("text: eyJ.", |bytes| text("eyJ.", bytes)),
    ("text: Basic", |bytes| text("Basic dXNlcjpw ", bytes)),
    ("text: -----BEGIN", |bytes| text("-----BEGIN ", bytes)),
    ("text: %2541", |bytes| text("%2541", bytes)),
    ("text: \\\\u0041", |bytes| text("\\\\u0041", bytes)),
    ("text: backslashes", |bytes| text("\\\\", bytes)),
    ("text: quotes", |bytes| text("\\\"", bytes)),
    ("text: [", |bytes| text("[", bytes)),
    ("text: 40 random characters", |bytes| {
        text("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY ", bytes)
    }),
    ("JSON in JSON", |bytes| {
        let mut inner = "x".repeat(bytes / 64);
        for _ in 0..5 {
            inner = format!("{{\"a\":{}}}", quoted(&inner));
        }
        let texts = list(64 / 5, |_| quoted(&inner));
        event(&format!(r#"{{"z":[{texts}]}}"#))
    }),
    // Objects and lists.
    ("equal keys", |bytes| {
        let entries = list(bytes / 10, |number| format!("\"k{}\":{number}", number % 7));
        event(&format!("{{{entries}}}"))
    }),
    ("keys alike, in small objects", |bytes| {
        let object = list(60, |number| {
            format!("\"\\u006bey-of-an-entry-{number:02}-in-an-object\":1")
        });
        let objects = list(bytes / object.len(), |_| format!("{{{object}}}"));
        event(&format!(r#"{{"z":[{objects}]}}"#))
    }),
    ("nested lists", |bytes| {
        let deep = format!("{}1{}", "[".repeat(50), "]".repeat(50));
        let lists = list(bytes / deep.len(), |_| deep.clone());
        event(&format!(r#"{{"z":[{lists}]}}"#))
    }),
    ("what AWS masked", |bytes| {
        let masks = list(bytes / 6, |_| "\"***\"".to_owned());
        event(&format!(r#"{{"z":[{masks}]}}"#))
    }),
    ("a long user agent", |bytes| {
        let agent = repeated("AmazonQ-For-CLI/1 os/linux ", bytes);
        event(&format!(r#"{{}},"userAgent":"{agent}","x":{{}}"#))
    }),
    ("a long ARN", |bytes| {
        let arn = repeated("assumed-role/a:b/", bytes);
        event(&format!(
            r#"{{}},"userIdentity":{{"arn":"arn:aws:sts::1:{arn}"}},"x":{{}}"#
        ))
    }),
    // Records among others.
    ("a resource for each event", |bytes| {
        let events = (0..bytes / 400)
            .map(|number| event("{}").replace("111122223333", &format!("{number:012}")));
        events.collect::<Vec<_>>().join("\n")
    }),
    ("records in records", |bytes| {
        let record = event("{}");
        let records = list(bytes / record.len(), |_| record.clone());
        format!(
            r#"{{"Records":[{{"body":{},"messageId":"1"}}]}}"#,
            quoted(&format!(r#"{{"Records":[{records}]}}"#))
        )
    }),
    ("broken records", |bytes| {
        let record = event("{}");
        let records = list(bytes / record.len(), |_| record.replacen(':', "", 1));
        format!(r#"{{"Records":[{records}]}}"#)
    }),
    ("braces after an error", |bytes| {
        format!(
            r#"{{"Records":[{{"eventVersion":x{}"#,
            "{ ".repeat(bytes / 2)
        )
    }),
];

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [work, name, bytes] = &arguments[..]
        && work == "--work"
    {
        let (_, make) = CASES
            .iter()
            .find(|(case, _)| case == name)
            .ok_or("no such case")?;
        return work_on(&make(bytes.parse()?));
    }
    let wanted = |name: &str| {
        let mut names = arguments
            .iter()
            .filter(|name| *name != "--bench")
            .peekable();
        names.peek().is_none() || names.any(|wanted| name.contains(&**wanted))
    };
    println!(
        "{:32} {:>12} {:>12}  instructions a byte, a byte more",
        "", "at first", "later"
    );
    let nothing = instructions(CASES[0].0, 0)?;
    for (name, make) in CASES.iter().filter(|(name, _)| wanted(name)) {
        let sizes = [BYTES, 2 * BYTES].map(|bytes| make(bytes).len() as f64);
        let counts = [instructions(name, BYTES)?, instructions(name, 2 * BYTES)?];
        let at_first = (counts[0] - nothing) / sizes[0];
        let later = (counts[1] - counts[0]) / (sizes[1] - sizes[0]);
        let mark = if later > SUSPICIOUS * at_first {
            "  <--"
        } else {
            ""
        };
        println!("{name:32} {at_first:12.0} {later:12.0}{mark}");
    }
    Ok(())
}

/// The instructions that a case takes, by Valgrind.
fn instructions(name: &str, bytes: usize) -> Result<f64, Failed> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--work", name, &bytes.to_string()])
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let count = told
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let (_, count) = count.ok_or_else(|| format!("{name}: {told}"))?;
    Ok(count.trim().parse()?)
}

/// Reads, converts and encodes, in every form, and joins payloads.
fn work_on(unit: &str) -> Result<(), Failed> {
    let limits = Limits::default();
    let mut records = open(unit.as_bytes(), &limits);
    let mut logs = Payload::empty(Signal::Logs);
    let all = Options {
        body: Body::None,
        ..Options::default()
    };
    let (mut encoder, mut flat) = (Encoder::new(&Options::default()), Flat::new(&all));
    while let Some(item) = records.next()? {
        let Item::Record { bytes, .. } = item else {
            continue;
        };
        for (flatly, options) in [(false, Options::default()), (true, all.clone())] {
            let Ok(event) = Event::parse(bytes, limits.depth) else {
                continue;
            };
            let placement = Placement::of(&event);
            if flatly {
                convert(event, &placement, None, &options, &mut flat);
            } else {
                convert(event, &placement, None, &options, &mut encoder);
                logs.append(encoder.take().logs, 0);
            }
        }
    }
    std::hint::black_box((logs.to_json(), flat.take()));
    Ok(())
}

/// An event with these request parameters.
fn event(parameters: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole","principalId":"AROAEXAMPLE:alice","arn":"arn:aws:sts::111122223333:assumed-role/R/alice"}},"eventTime":"2026-01-01T00:00:00Z","eventSource":"q.amazonaws.com","eventName":"SendMessage","awsRegion":"us-east-1","recipientAccountId":"111122223333","requestParameters":{parameters}}}"#
    )
}

/// An event with a text of this, again and again.
fn text(part: &str, bytes: usize) -> String {
    event(&format!(r#"{{"z":"{}"}}"#, repeated(part, bytes)))
}

fn repeated(part: &str, bytes: usize) -> String {
    part.repeat(bytes / part.len())
}

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(",")
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            c => write!(out, "{c}"),
        };
    }
    out + "\""
}
