//! The live page in a real browser: Chromium, by its DevTools protocol over two pipes.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::servers::program;
use crate::support::PATIENCE;
use crate::support::collector::{Collector, Reply};
use crate::support::program::{event, log_file};
use crate::support::sidecar::{Place, Sidecar};

/// A text of an attacker's choice, as JSON.
const HOSTILE: &str = r#"\"><img src=x onerror=alert(1)><script>alert(2)</script>"#;
/// The narrowest screen that the page is for.
const NARROW: u32 = 320;

/// A browser with one page. It is killed when it is dropped.
struct Browser {
    child: Child,
    commands: File,
    answers: BufReader<File>,
    /// What came while an answer was waited for.
    events: VecDeque<Value>,
    session: Option<String>,
    next: u64,
    _folder: TempDir,
}

impl Browser {
    fn start(chromium: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipe = |name: &str| -> PathBuf {
            let path = folder.path().join(name);
            mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            path
        };
        let (commands, answers) = (pipe("commands"), pipe("answers"));
        // The browser reads commands from descriptor 3, and writes answers to 4.
        let child = Command::new("/bin/sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<\"$COMMANDS\" 4>\"$ANSWERS\""])
            .arg(chromium)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-pipe",
            ])
            .arg(format!(
                "--user-data-dir={}",
                folder.path().join("profile").display()
            ))
            .env("COMMANDS", &commands)
            .env("ANSWERS", &answers)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = OpenOptions::new().write(true).open(commands).unwrap();
        let answers = BufReader::new(File::open(answers).unwrap());
        let mut browser = Browser {
            child,
            commands,
            answers,
            events: VecDeque::new(),
            session: None,
            next: 0,
            _folder: folder,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({}));
        }
        browser
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.commands
            .write_all(format!("{message}\0").as_bytes())
            .unwrap();
        loop {
            let answer = self.read();
            if answer["id"] == self.next {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push_back(answer);
        }
    }

    fn read(&mut self) -> Value {
        let mut message = Vec::new();
        self.answers.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser has ended");
        serde_json::from_slice(&message).unwrap()
    }

    /// Opens an address, and waits until it is loaded.
    fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        while !self
            .events
            .iter()
            .any(|event| event["method"] == "Page.loadEventFired")
        {
            let event = self.read();
            self.events.push_back(event);
        }
    }

    /// The value of an expression in the page, once it has settled.
    fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.call("Runtime.evaluate", params);
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true; the page changes by itself.
    fn until(&mut self, expression: &str) {
        let patience = PATIENCE.as_millis();
        let looks = format!(
            "new Promise((done, fail) => {{
                const look = () => ({expression}) ? done(true) : setTimeout(look, 20);
                setTimeout(() => fail(new Error(document.body.innerText)), {patience});
                look();
            }})"
        );
        assert_eq!(self.value(&looks), true);
    }

    fn screen(&mut self, width: u32, scheme: &str) {
        let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == " " { " " } else { "" };
            let params =
                json!({"type": kind, "key": key, "windowsVirtualKeyCode": code, "text": text});
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// What went wrong in the page: exceptions, and what the policy or the network refused.
    fn complaints(&self) -> Vec<&Value> {
        let is_wrong = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        self.events.iter().filter(is_wrong).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hostile(id: &str) -> String {
    event(id).replace("\"mary\"", &format!("\"{HOSTILE}\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_live_safe_and_fits_every_screen() {
    let test = "page::the_page_is_live_safe_and_fits_every_screen";
    let Some(chromium) = program("QTRAIL_E2E_CHROMIUM", test) else {
        return;
    };
    let (place, collector) = (Place::new(), Collector::start().await);
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    let address = sidecar.address().await;
    place.add(
        "a.json",
        &log_file(&[hostile("one"), "{\"broken\": }".to_owned()]),
    );
    sidecar.settled(2).await;
    let mut browser = Browser::start(&chromium);
    browser.screen(1200, "light");
    browser.open(&format!("http://{address}/"));

    let rows = "document.querySelectorAll('#events tbody tr').length";
    assert_eq!(browser.value(rows), 1);
    let text = browser.value("document.querySelector('#events tbody').innerText");
    assert!(
        text.as_str()
            .unwrap()
            .contains("<img src=x onerror=alert(1)>"),
        "{text}"
    );
    assert_eq!(browser.value("document.querySelectorAll('img').length"), 0);
    let letters = browser.value("document.querySelector('#letters').innerText");
    assert!(letters.as_str().unwrap().contains("not_json"), "{letters}");

    // New events come by themselves, and what is blocked is said to screen readers.
    place.add("b.json", &log_file(&[event("two")]));
    sidecar.settled(3).await;
    browser.until(&format!("{rows} === 2"));
    collector.reply_with(|_| Reply::Grpc(tonic::Status::unauthenticated("who?")));
    place.add("c.json", &log_file(&[event("three")]));
    browser.until("document.querySelector('#blocked li.bad') !== null");
    browser.until("document.querySelector('[role=status]').innerText.includes('waits for you')");

    // Every width, light and dark.
    for width in [NARROW, 600, 900, 1200] {
        browser.screen(width, "light");
        let over = browser.value("document.documentElement.scrollWidth - innerWidth");
        assert!(
            over.as_i64().unwrap() <= 0,
            "{over} pixels too wide at {width}"
        );
    }
    let colour = "getComputedStyle(document.body).backgroundColor";
    let light = browser.value(colour);
    browser.screen(1200, "dark");
    assert_ne!(browser.value(colour), light);

    // By the keyboard: first past the head, then the button.
    browser.press("Tab", 9);
    assert_eq!(browser.value("document.activeElement.className"), "skip");
    browser.press("Tab", 9);
    assert_eq!(browser.value("document.activeElement.id"), "pause");
    browser.press(" ", 32);
    assert_eq!(browser.value("document.activeElement.ariaPressed"), "true");
    browser.press(" ", 32);

    assert_eq!(browser.complaints(), Vec::<&Value>::new());
    sidecar.kill();
    browser.until("!document.getElementById('no-answer').hidden");
}
