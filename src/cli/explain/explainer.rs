//! Reads records and prints what is said about the requested ones.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::explained::Explained;
use super::{Explain, Which, text};
use crate::cli::args::TextFormat;
use crate::cli::files::{Outputs, sources};
use crate::cli::{Exit, count};
use crate::telemetry::printable::printable;
use qtrail_core::convert::{self, Attribute, Placement, organization};
use qtrail_core::envelope::{self, Again, Item};
use qtrail_core::event::Event;
use qtrail_core::event::agents::Family;
use qtrail_core::event::amazon_q::{Select, Selector};
use qtrail_core::reject::{Position, Reason};

/// Explains the records of inputs, one after the other.
pub(super) struct Explainer<'o, W> {
    options: &'o Explain,
    /// The input that is read.
    input: Input,
    selector: Selector,
    pub(super) out: W,
    read: u64,
    refused: u64,
    pub(super) explained: u64,
}

/// What is known about an input beside its bytes.
#[derive(Default)]
struct Input {
    /// Its name, where it is shown.
    name: Option<String>,
    observed: Option<i64>,
    organization: Option<Attribute<'static>>,
}

impl<'o, W: Write> Explainer<'o, W> {
    pub(super) fn new(options: &'o Explain, out: W) -> Self {
        let select = match options.which {
            Which::Index(_) => Select::All,
            Which::First | Which::All => options.select,
        };
        Explainer {
            options,
            input: Input::default(),
            selector: Selector::new(select, &options.lists),
            out,
            read: 0,
            refused: 0,
            explained: 0,
        }
    }

    /// Explains the records of these files, and of those in directories.
    ///
    /// # Errors
    /// An input cannot be read or none has the record, or the output cannot be written. What cannot be read in a
    /// directory is logged.
    pub(super) fn files(
        &mut self,
        paths: &[PathBuf],
        stop: &CancellationToken,
    ) -> anyhow::Result<Exit> {
        let mut exit = Exit::Done;
        let mut listed = sources(paths, Outputs::default())?.peekable();
        let is_one = matches!(paths, [path] if !path.is_dir());
        let mut number = 0;
        while let Some(source) = listed.next() {
            let counts_in_one = matches!(self.options.which, Which::Index(_));
            anyhow::ensure!(
                !(counts_in_one && number == 0 && listed.peek().is_some()),
                "--index counts the records of one file: name that file alone"
            );
            number += 1;
            let read = match source.and_then(|source| source.open(stop, |content| content)) {
                Ok((origin, content, again)) => {
                    let is_named = !is_one || self.options.format == TextFormat::Json;
                    self.input = Input {
                        name: is_named.then(|| origin.name.to_string()),
                        observed: origin.observed,
                        organization: organization(&origin.name),
                    };
                    let read = self.all(content, Some(again))?;
                    read.with_context(|| format!("in {}", origin.name))
                }
                Err(error) => Err(error),
            };
            match read {
                Err(error) if is_one => return Err(error),
                Err(error) => {
                    tracing::error!("{error:#}");
                    exit = Exit::Failed;
                }
                Ok(()) if self.is_done() => break,
                Ok(()) => {}
            }
        }
        self.out.flush()?;
        anyhow::ensure!(self.explained > 0, self.no_match());
        Ok(exit)
    }

    /// Explains the records of an input. The inner error is one of the input, the outer one of the output.
    pub(super) fn all(
        &mut self,
        input: impl Read,
        again: Option<Again>,
    ) -> anyhow::Result<io::Result<()>> {
        let mut records = envelope::open(input, &self.options.limits);
        if let Some(again) = again {
            records = records.again(again);
        }
        while !self.is_done() {
            let item = match records.next() {
                Ok(Some(item)) => item,
                Ok(None) => break,
                Err(error) if envelope::is_quiet(&error) => continue,
                Err(error) => return Ok(Err(error)),
            };
            match item {
                Item::Record { position, bytes } => {
                    self.read += 1;
                    self.record(position, bytes)?;
                }
                Item::Reject(reject) => {
                    self.read += 1;
                    self.reject(reject.position, &reject.reason)?;
                }
                Item::Skipped(skipped) => self.skipped(skipped.as_str())?,
            }
        }
        Ok(Ok(()))
    }

    fn skipped(&mut self, what: &str) -> io::Result<()> {
        match (self.options.format, &self.input.name) {
            (TextFormat::Json, file) => {
                writeln!(self.out, "{}", json!({"file": file, "skipped": what}))
            }
            (TextFormat::Text, None) => {
                writeln!(self.out, "skipped: {what}, which has no events\n")
            }
            (TextFormat::Text, Some(file)) => {
                let file = printable(file);
                writeln!(
                    self.out,
                    "skipped: {what}, which has no events\nin {file}\n"
                )
            }
        }
    }

    fn is_requested(&self, position: Position) -> bool {
        match self.options.which {
            Which::Index(index) => position.index == index,
            Which::First | Which::All => true,
        }
    }

    fn is_done(&self) -> bool {
        self.options.which != Which::All && self.explained > 0
    }

    pub(super) fn no_match(&self) -> String {
        let read = self.read;
        match self.options.which {
            Which::Index(index) => {
                format!(
                    "no record {index}: the input has {}, counted from 0",
                    count(read, "record")
                )
            }
            _ if read == 0 => "the input has no CloudTrail records".to_owned(),
            _ if read == self.refused => "the input has no readable records".to_owned(),
            _ if self.options.select == Select::Agents => format!(
                "none of the {read} records is an agent's event (use --select all or --index N to explain others)"
            ),
            _ => format!(
                "none of the {read} records is an Amazon Q event (use --select agents, --select all or --index N to explain others)"
            ),
        }
    }

    fn record(&mut self, position: Position, bytes: &[u8]) -> anyhow::Result<()> {
        if !self.is_requested(position) {
            return Ok(());
        }
        let (mut canonical, depth) = (Vec::new(), self.options.limits.depth);
        let event = match self.selector.select_any(bytes, &mut canonical, depth) {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(()),
            Err(reason) => return self.reject(position, &reason),
        };
        self.explained += 1;
        let placement = Placement::of(&event).within(self.input.organization.as_ref());
        let mut explained = Explained::of(&event, ignored(self.options.select, &event));
        let options = &self.options.convert;
        convert::convert(
            event,
            &placement,
            self.input.observed,
            options,
            &mut explained,
        );
        match self.options.format {
            TextFormat::Json => self.object(position, &explained)?,
            TextFormat::Text => {
                self.heading(position)?;
                let text = text::text(&explained, self.options.wide);
                self.out.write_all(text.as_bytes())?;
            }
        }
        Ok(())
    }

    fn reject(&mut self, position: Position, reason: &Reason) -> anyhow::Result<()> {
        if !self.is_requested(position) {
            return Ok(());
        }
        // A requested record is explained by its reason.
        self.explained += u64::from(matches!(self.options.which, Which::Index(_)));
        self.refused += 1;
        let message = printable(&reason.to_string());
        if self.options.format == TextFormat::Json {
            let letter = json!({"reason": reason.kind(), "message": message});
            return self.object(position, &json!({ "dead_letter": letter }));
        }
        self.heading(position)?;
        writeln!(self.out, "a dead letter: {message}\n")?;
        Ok(())
    }

    /// Writes a record's object, which begins with its place.
    fn object(&mut self, position: Position, about: &impl Serialize) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Object<'a, T> {
            file: Option<&'a str>,
            index: u64,
            offset: u64,
            length: u64,
            #[serde(flatten)]
            about: &'a T,
        }
        let object = Object {
            file: self.input.name.as_deref(),
            index: position.index,
            offset: position.offset,
            length: position.length,
            about,
        };
        writeln!(self.out, "{}", serde_json::to_string(&object)?)?;
        Ok(())
    }

    fn heading(&mut self, position: Position) -> io::Result<()> {
        let Position {
            index,
            offset,
            length,
        } = position;
        let bytes = count(length, "byte");
        writeln!(self.out, "record {index}, at byte {offset}, {bytes}")?;
        match &self.input.name {
            Some(file) => {
                let line = text::paragraph(&format!("in {}", printable(file)), self.options.wide);
                self.out.write_all(line.as_bytes())
            }
            None => Ok(()),
        }
    }
}

/// Why an event is not selected.
fn ignored(select: Select, event: &Event<'_>) -> Option<&'static str> {
    match (select, event.family()) {
        (Select::All, _) | (Select::AmazonQ, Some(Family::AmazonQ)) | (Select::Agents, Some(_)) => {
            None
        }
        (Select::AmazonQ, Some(_)) => {
            Some("another agent's event: ignored unless `select` is `agents` or `all`")
        }
        (Select::AmazonQ, None) => Some("not an Amazon Q event: ignored unless `select` is `all`"),
        (Select::Agents, None) => Some("no agent's event: ignored unless `select` is `all`"),
    }
}
