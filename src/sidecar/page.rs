//! The live page: a [`Status`] as HTML that works without a script, and keeps itself up to date with one.
//!
//! Enters: a status. Leaves: a document with its content security policy. What must hold: no text is markup; the policy
//! allows the page's own style, script and address, and nothing else; the script puts no text of its own into the page,
//! it takes over the parts marked `data-live` of the page that the server renders anew.

mod parts;
mod tables;

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::status::Status;
use crate::view::html::{STYLE, escaped, source_hash};
use crate::view::numbers::span;

const PAGE_STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

static STYLES: LazyLock<String> = LazyLock::new(|| format!("{STYLE}{PAGE_STYLE}"));

/// The content security policy of the page.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        source_hash(&STYLES),
        source_hash(SCRIPT)
    )
});

/// The page.
pub(super) fn page(status: &Status) -> String {
    let mut out = head(&title(status));
    let class = parts::mood(status);
    let _ = write!(
        out,
        r##"<a class="skip" href="#main">Skip to the content</a>
<header>
<div class="bar"><h1>qtrail</h1><button id="pause" type="button" aria-pressed="false" hidden>Pause updates</button></div>
<p id="summary" class="summary {class}" role="status" data-live><strong>{}</strong></p>
<p id="since" data-live>Version {}, running for {}. As of {} UTC.</p>
<p id="no-answer" class="alert" role="alert" hidden></p>
<noscript><p>Without a script, reload the page to see what is new.</p></noscript>
</header>
<main id="main" tabindex="-1">
"##,
        escaped(&status.summary),
        escaped(&status.version),
        span(status.running_seconds),
        parts::time(&status.now, ""),
    );
    parts::blocked(&mut out, status);
    parts::running(&mut out, status);
    parts::balance(&mut out, status);
    tables::events(&mut out, status);
    tables::letters(&mut out, status);
    let _ = write!(
        out,
        r#"</main>
<footer>
<p>For programs: <a href="status.json">status.json</a>, <a href="metrics">metrics</a>, <a href="readyz">readyz</a>. In a terminal: <code>qtrail status</code>, <code>qtrail top</code>.</p>
</footer>
<script>{SCRIPT}</script>
</body>
</html>
"#
    );
    out
}

/// The page that asks for a token. `is_wrong`: the last one was none.
pub(super) fn login(is_wrong: bool) -> String {
    let mut out = head("qtrail: token needed");
    let wrong = match is_wrong {
        true => {
            r#"<p class="alert" role="alert" id="wrong">This is none of the tokens. Look at the files that <code>telemetry.token_files</code> names.</p>"#
        }
        false => "",
    };
    let _ = write!(
        out,
        r#"<main>
<h1>qtrail</h1>
<p>This page needs a token, one of those in the files of <code>telemetry.token_files</code>.</p>
{wrong}
<form method="post" action="./">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button type="submit">Show the page</button>
</form>
</main>
</body>
</html>
"#
    );
    out
}

fn head(title: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{}</title>
<link rel="icon" href="data:,">
<style>{}</style>
</head>
<body>
"#,
        escaped(title),
        *STYLES
    )
}

fn title(status: &Status) -> String {
    let waits = status.blocked.iter().filter(|blocked| blocked.needs_you);
    match waits.count() {
        0 => "qtrail".to_owned(),
        n => format!("({n}) qtrail: blocked"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::hostile;
    use super::*;

    #[test]
    fn no_text_of_a_record_is_markup() {
        let page = page(&hostile());
        let body = page.split_once("<body>").unwrap().1;
        let body = body.split_once("<script>").unwrap().0;
        assert!(
            body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
            "{body}"
        );
        for markup in ["<script", "<img", "onerror=\"", "\u{202e}", "\x1b"] {
            assert!(!body.contains(markup), "{markup} in {body}");
        }
    }

    #[test]
    fn the_policy_names_the_style_and_the_script_of_the_page() {
        let page = page(&Status::default());
        let between = |start: &str, end: &str| {
            let rest = page.split_once(start).unwrap().1;
            rest.split_once(end).unwrap().0.to_owned()
        };
        let style = source_hash(&between("<style>", "</style>"));
        let script = source_hash(&between("<script>", "</script>"));
        assert!(
            POLICY.contains(&format!("style-src {style};")),
            "{}",
            *POLICY
        );
        assert!(
            POLICY.contains(&format!("script-src {script};")),
            "{}",
            *POLICY
        );
        assert!(POLICY.starts_with("default-src 'none';"));
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("style=\""));
    }
}
