//! `qtrail top`: what a running qtrail does, live in the terminal.

mod screen;

use std::io::{self, Read};
use std::time::Duration;

use anyhow::bail;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::args::TopArgs;
use super::report::text::{Paint, cut, width};
use super::status::client::Client;
use super::status::text;
use crate::config::Config;
use crate::runtime::shutdown::First;
use crate::sidecar::status::Status;
use screen::Screen;

/// How often qtrail is asked.
const INTERVAL: Duration = Duration::from_secs(2);
/// Events that are shown at most; the screen has room for fewer.
const EVENTS: usize = 50;
/// Keys that end it.
const KEYS: [u8; 2] = *b"qQ";

/// Shows the status until a key or a signal ends it.
///
/// # Errors
/// Standard output is no terminal; qtrail does not answer at the start.
pub async fn run(args: TopArgs, config: &Config, signal: First) -> anyhow::Result<Exit> {
    if !Screen::is_there() {
        bail!("standard output is no terminal: use `qtrail status`");
    }
    let client = Client::new(&args.telemetry, config)?;
    let first = client.status().await?;
    let stop = CancellationToken::new();
    signal.stop(stop.clone(), |_| {});
    let screen = Screen::open()?;
    let shown = tokio::select! {
        shown = show(&client, &screen, first) => shown,
        () = key() => Ok(()),
        () = stop.cancelled() => Ok(()),
    };
    drop(screen);
    shown?;
    Ok(Exit::Done)
}

/// Asks and draws, for ever. While qtrail does not answer, its last status stays, with a line that says so.
async fn show(client: &Client, screen: &Screen, mut status: Status) -> anyhow::Result<()> {
    let mut failure = None;
    loop {
        let asked = Instant::now();
        let (columns, rows) = screen.size();
        screen.draw(&lines(&status, failure.as_deref(), columns, rows))?;
        tokio::time::sleep_until(asked + INTERVAL).await;
        match client.status().await {
            Ok(now) => (status, failure) = (now, None),
            Err(error) => failure = Some(format!("no answer: {error:#}")),
        }
    }
}

/// What fits on the screen: the head, the dead letters' first lines, and as many events as there is room for.
fn lines(status: &Status, failure: Option<&str>, columns: usize, rows: usize) -> Vec<String> {
    let paint = Paint(std::env::var_os("NO_COLOR").is_none());
    let last = match failure {
        Some(failure) => paint.red(&cut(failure, columns)),
        None => cut("q or Ctrl-C: end", columns),
    };
    let head = text::head(status, columns, paint);
    let letters = text::letters(status, columns, paint);
    let mut lines: Vec<String> = head.lines().map(|line| short(line, columns)).collect();
    let letters: Vec<String> = letters.lines().map(|line| short(line, columns)).collect();
    let room = rows.saturating_sub(lines.len() + 1);
    let mut events = text::recent(status, columns, paint, EVENTS);
    // The letters have up to a half of what is left.
    let of_letters = letters.len().min(room / 2);
    events.truncate(room - of_letters);
    lines.extend(events);
    lines.extend(letters.into_iter().take(of_letters));
    lines.truncate(rows.saturating_sub(1));
    lines.resize(rows.saturating_sub(1), String::new());
    lines.push(last);
    lines
}

/// A line that fits; colours are only in lines that do.
fn short(line: &str, columns: usize) -> String {
    match width(line) <= columns || line.contains('\x1b') {
        true => line.to_owned(),
        false => cut(line, columns),
    }
}

/// Waits for a key that ends it. Without a terminal on standard input, for ever.
async fn key() {
    let (pressed, key) = oneshot::channel();
    // A read of a terminal cannot be cancelled: the thread ends with the process.
    std::thread::spawn(move || {
        let mut keys = io::stdin().lock().bytes().map_while(Result::ok);
        if keys.any(|key| KEYS.contains(&key)) {
            // Nobody waits any more if a signal came.
            let _ = pressed.send(());
        }
    });
    if key.await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sidecar::status::tests::hostile;

    #[test]
    fn the_lines_fill_the_screen_and_no_more() {
        for (columns, rows) in [(80, 24), (200, 60), (40, 10), (80, 1)] {
            let mut status = hostile();
            status.events = vec![status.events[0].clone(); 50];
            for failure in [None, Some("no answer\x1b[2J")] {
                let lines = lines(&status, failure, columns, rows);
                assert_eq!(lines.len(), rows);
                let last = lines.last().unwrap();
                assert_eq!(last.contains("no answer"), failure.is_some(), "{last}");
                assert!(!lines.concat().contains("\x1b[2J"));
            }
        }
    }
}
