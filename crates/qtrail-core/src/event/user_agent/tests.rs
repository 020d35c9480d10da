use proptest::prelude::*;

use super::*;
use crate::event::amazon_q::Lists;

/// Agent, version, channel, session of the command line, command.
type Declared<'a> = [Option<&'a str>; 5];

fn declared(text: &str) -> Declared<'_> {
    let read = UserAgent::read(text);
    let agents = &Lists::standard().agents;
    let agent = read.agent.or_else(|| agents.declared(text, &read));
    let version = read.version.or_else(|| version_of(text, agent?));
    [agent, version, read.channel, read.cli_session, read.command]
}

#[test]
fn each_form_of_a_user_agent_is_read() {
    for (text, expected) in [
        (
            "aws-cli/2.27.50 md/awscrt#0.26.1 ua/2.1 os/linux#6.8 exec-env/AmazonQ-For-CLI-Version-2.19.2-acp-client-kiro-tui m/Z,E,b",
            [Some("Kiro CLI"), Some("2.19.2"), Some("cli"), None, None],
        ),
        (
            "AmazonQ-For-CLI-Version/2.21.1-acp-client/kiro-tui md/x KiroIDE-1.0.437-0f0f",
            [Some("Kiro CLI"), Some("2.21.1"), Some("cli"), None, None],
        ),
        (
            "aws-sdk-rust/1.3.15 ua/2.1 api/codewhispererstreaming/0.1.17975 os/linux lang/rust/1.92.0 md/appVersion-2.14.2 app/AmazonQ-For-CLI",
            [
                Some("Amazon Q CLI or Kiro CLI"),
                Some("2.14.2"),
                Some("cli"),
                None,
                None,
            ],
        ),
        (
            "aws-sdk-rust/1.3.7 md/appVersion-1.12.4 app/AmazonQ-For-CLI",
            [
                Some("Amazon Q Developer"),
                Some("1.12.4"),
                Some("cli"),
                None,
                None,
            ],
        ),
        (
            "AmazonQ-For-CLI-Version-1.20.0",
            [
                Some("Amazon Q CLI or Kiro CLI"),
                Some("1.20.0"),
                Some("cli"),
                None,
                None,
            ],
        ),
        (
            "aws-sdk-js/1.0.27 ua/2.1 os/darwin#25 lang/js api/codewhispererstreaming#1.0.27 m/E KiroIDE-0.7.45-0f0f0f",
            [Some("Kiro IDE"), Some("0.7.45"), Some("ide"), None, None],
        ),
        (
            "aws-cli/2.36.23 ua/2.1 os/windows#11 m/AN,n,Z,E,b cfg/retry-mode#standard sid/0123456789ab md/prompt#off md/command#sts.get-caller-identity",
            [
                Some("Claude Code"),
                None,
                None,
                Some("0123456789ab"),
                Some("sts.get-caller-identity"),
            ],
        ),
        (
            "[aws-cli/2.34.30 ua/2.1 os/macos#25.2.0 m/u,Z,E,C,t,b sid/0123456789ab md/command#s3.ls]",
            [None, None, None, Some("0123456789ab"), Some("s3.ls")],
        ),
        (
            "[aws-cli/2.36 m/Z,AQ]",
            [Some("Kiro CLI"), None, None, None, None],
        ),
        (
            "python-httpx/0.28.1 mcp-proxy-for-aws/1.7.0 claude-code/2.1.284",
            [Some("claude-code"), Some("2.1.284"), None, None, None],
        ),
        (
            "python-httpx/0.28.1 mcp-proxy-for-aws/1.7.0 cursor-vscode/1.0.0",
            [Some("cursor-vscode"), Some("1.0.0"), None, None, None],
        ),
        (
            "python-httpx/0.28.1 mcp-proxy-for-aws/1.7.0",
            [None, None, None, None, None],
        ),
        (
            "claude-code/2.1.202 (cli)",
            [Some("claude-code"), Some("2.1.202"), None, None, None],
        ),
        (
            "exec-env/AmazonQ-For-IDE Version/2.0.0",
            [
                Some("Amazon Q Developer"),
                Some("2.0.0"),
                Some("ide"),
                None,
                None,
            ],
        ),
        // These only look like it.
        ("KiroIDEAL/2 notclaude-code/1 m/ANN,xAN,an", [None; 5]),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64) sid/ md/command#",
            [None; 5],
        ),
        ("", [None; 5]),
        ("[", [None; 5]),
    ] {
        assert_eq!(declared(text), expected, "{text}");
    }
}

#[test]
fn a_front_a_proxy_and_a_service_are_told() {
    let read = UserAgent::read("exec-env/AmazonQ-For-CLI-Version-2.19.2-acp-client-kiro-tui");
    assert_eq!(
        (read.front, read.client),
        (Some("kiro-tui"), Some("AmazonQ-For-CLI"))
    );
    let read = UserAgent::read("x/1 mcp-proxy-for-aws/1.7.0 claude-code/2.1");
    assert_eq!(read.proxy, Some("mcp-proxy-for-aws/1.7.0"));
    let read = UserAgent::read("aws-mcp.amazonaws.com");
    assert_eq!(
        (read.service, read.agent),
        (Some("aws-mcp.amazonaws.com"), None)
    );
    assert_eq!(UserAgent::read("x/1 aws-mcp.amazonaws.com").service, None);
}

/// With work that grows as the square of the length, this would take hours.
#[test]
fn a_text_of_megabytes_is_read() {
    for part in [
        "m/b ",
        "Q",
        "AmazonQ-For-",
        "AmazonQ-For-CLI ",
        "mcp-proxy-for-aws/1 ",
        "-acp-client",
        "claude-code",
        "[",
        "m/AM,",
    ] {
        let text = part.repeat((4 << 20) / part.len());
        declared(&text);
    }
}

fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(&[
            "AmazonQ-For-", "AmazonQ-For-CLI", "AmazonQ-For-IDE", "-Version-", "-Version", "Version/", "1.2", "-acp-client",
            "kiro-tui", "KiroIDE", "KiroIDE-", "mcp-proxy-for-aws/", "claude-code/", "m/", "AN", "AN,b", "sid/", "md/command#",
            "md/appVersion", "/", "-", "#", " ", "[", "]", "é", "\u{2003}",
        ][..]).prop_map(str::to_owned),
        1 => ".{0,4}",
    ]
}

proptest! {
    #[test]
    fn any_text_is_read_and_each_part_is_in_it(tokens in prop::collection::vec(token(), 0..12)) {
        let text = tokens.concat();
        let read = UserAgent::read(&text);
        for part in [read.version, read.front, read.proxy, read.client, read.cli_session, read.command, read.service] {
            prop_assert!(part.is_none_or(|part| !part.is_empty() && text.contains(part)), "{part:?}");
        }
        declared(&text);
    }

    #[test]
    fn brackets_change_nothing(tokens in prop::collection::vec("[a-zA-Z/#.,0-9-]{1,12}", 1..8)) {
        let text = tokens.join(" ");
        let bracketed = format!("[{text}]");
        prop_assert_eq!(declared(&bracketed), declared(&text));
    }
}
