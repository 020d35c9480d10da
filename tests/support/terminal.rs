//! A terminal for programs that draw on one.

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::program::qtrail;

/// The two ends of a terminal.
pub fn terminal() -> (File, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (ours.into(), theirs)
}

/// Runs `qtrail top` until it has drawn `awaited`, ends it by a key, and returns its exit code and all that it wrote.
pub async fn top(address: SocketAddr, awaited: &'static str) -> (Option<i32>, String) {
    let run = move || {
        let (mut screen, theirs) = terminal();
        let mut child = qtrail()
            .args(["top", &address.to_string()])
            .env("TERM", "xterm")
            .stdin(theirs.try_clone().unwrap())
            .stdout(theirs.try_clone().unwrap())
            .stderr(theirs)
            .spawn()
            .unwrap();
        let mut shown = String::new();
        let mut is_asked_to_end = false;
        let mut bytes = [0; 4096];
        // The end of the terminal is an error.
        while let Ok(read @ 1..) = screen.read(&mut bytes) {
            shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
            if !is_asked_to_end && shown.contains(awaited) {
                screen.write_all(b"q").unwrap();
                is_asked_to_end = true;
            }
        }
        (child.wait().unwrap().code(), shown)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}
