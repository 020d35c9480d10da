//! What a client says of itself in its user agent.
//!
//! Enters: the text of `userAgent`. Leaves: the agent that it names, with version and channel, and the AWS
//! command line's session and command. What must hold: it reads tokens, each once; a client can forge all of
//! them, so nothing here is proof.

/// What a user agent declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserAgent<'a> {
    /// The agent: Amazon Q's and Kiro's clients under their product's name, a client of the AWS MCP Server under the
    /// name that it gives itself.
    pub agent: Option<&'a str>,
    /// The agent's version.
    pub version: Option<&'a str>,
    /// How the agent is used: `cli` or `ide`.
    pub channel: Option<&'static str>,
    /// The program in front of the agent, such as `kiro-tui`.
    pub front: Option<&'a str>,
    /// The token of the proxy between the client and the AWS MCP Server, such as `mcp-proxy-for-aws/1.7.0`.
    pub proxy: Option<&'a str>,
    /// The token of Amazon Q's or Kiro's client without its version, such as `AmazonQ-For-CLI`.
    pub client: Option<&'a str>,
    /// The session of the AWS command line: `sid/…`.
    pub cli_session: Option<&'a str>,
    /// The command of the AWS command line, such as `s3.ls`: `md/command#…`.
    pub command: Option<&'a str>,
    /// The service whose name the whole text is, such as `aws-mcp.amazonaws.com`.
    pub service: Option<&'a str>,
    /// Codes of features, separated by commas: `m/…`.
    codes: Option<&'a str>,
}

/// The mark of Amazon Q's clients. Kiro's command line has it too.
const AMAZON_Q: &str = "AmazonQ-For-";
/// The product of Kiro's IDE, before `-` or `/` and its version.
const KIRO_IDE: &str = "KiroIDE";
/// The product that stands before the client of the AWS MCP Server.
const PROXY: &str = "mcp-proxy-for-aws/";
/// What stands before the program in front of Amazon Q's or Kiro's command line.
const FRONT: &[u8; 11] = b"-acp-client";
/// The first version of Kiro's command line. Amazon Q's has no later one.
const FIRST_KIRO_CLI: (u32, u32) = (1, 20);

impl<'a> UserAgent<'a> {
    /// Reads a user agent. S3 writes it in brackets.
    pub fn read(text: &'a str) -> Self {
        let mut read = UserAgent::default();
        let text = unbracketed(text);
        let is_service = |text: &str| {
            (text.ends_with(".amazonaws.com") || text.ends_with(".api.aws"))
                && !text.contains(['/', ' '])
        };
        if is_service(text) {
            read.service = Some(text);
            return read;
        }
        let first_mark = find_amazon_q(text).unwrap_or(text.len());
        // The version of an application whose own token has none.
        let mut app_version = None;
        let mut rest = text;
        while let Some(token) = next_token(&mut rest) {
            let first = token.as_bytes().first();
            if matches!(first, Some(b'm' | b's')) && read.metadata(token, &mut app_version) {
                continue;
            }
            if read.client.is_some() || read.proxy.is_some() {
                // The first client counts.
            } else if text.len() - rest.len() > first_mark
                && let Some(start) = find_amazon_q(token)
            {
                let mut behind = rest;
                read.amazon_q(&token[start..], next_token(&mut behind));
            } else if let Some(rest) = token.strip_prefix(KIRO_IDE) {
                read.kiro_ide(rest);
            } else if token.starts_with(PROXY) {
                read.proxy = Some(token);
                let mut behind = rest;
                if let Some((name, version)) = next_token(&mut behind).and_then(product) {
                    (read.agent, read.version) = (Some(name), Some(version));
                    rest = behind;
                }
            }
        }
        if read.client.is_some() {
            read.version = read.version.or(app_version);
            read.name_command_line();
        }
        read
    }

    /// Reads a token that the AWS SDKs write about the call: whether it is one.
    fn metadata(&mut self, token: &'a str, app_version: &mut Option<&'a str>) -> bool {
        if let Some(codes) = token.strip_prefix("m/") {
            self.codes = self.codes.or(Some(codes));
        } else if let Some(session) = token.strip_prefix("sid/") {
            self.cli_session = self.cli_session.or(filled(session));
        } else if let Some(command) = token.strip_prefix("md/command#") {
            self.command = self.command.or(filled(command));
        } else if let Some(version) = token.strip_prefix("md/appVersion") {
            let version = version.trim_start_matches(['-', '#', '/']);
            *app_version = app_version.or(filled(version));
        } else {
            return false;
        }
        true
    }

    /// Whether the text has this code in its list of features.
    pub fn has_code(&self, code: &str) -> bool {
        self.codes
            .is_some_and(|codes| codes.split(',').any(|one| one == code))
    }

    /// Amazon Q's client: `AmazonQ-For-CLI-Version-2.19.2-acp-client-kiro-tui`, `AmazonQ-For-VSCode/1.60.0`,
    /// `AmazonQ-For-IDE Version/2.0.0`.
    fn amazon_q(&mut self, token: &'a str, next: Option<&'a str>) {
        let token = token.split([';', ')', ',', ']']).next().unwrap_or_default();
        let (name, rest) = match split_once(token, b"-Version") {
            Some((name, rest)) => (name, rest.get(1..).unwrap_or_default()),
            None => token.split_once('/').unwrap_or((token, "")),
        };
        let (version, front) = split_once(rest, FRONT).unwrap_or((rest, ""));
        self.client = Some(name);
        self.version = filled(version).or_else(|| next?.strip_prefix("Version/").and_then(filled));
        self.front = filled(front.trim_start_matches(['-', '/']));
        let is_cli = is_command_line(name);
        self.channel = Some(if is_cli { "cli" } else { "ide" });
        self.agent = (!is_cli).then_some("Amazon Q Developer");
    }

    /// Kiro's IDE: `KiroIDE-0.7.45-0123456789abcdef`, the version and an id of the machine.
    fn kiro_ide(&mut self, rest: &'a str) {
        let version = rest.strip_prefix(['-', '/']);
        if version.is_none() && !rest.is_empty() {
            return;
        }
        self.client = Some(KIRO_IDE);
        self.version = version.and_then(|rest| filled(rest.split('-').next()?));
        self.channel = Some("ide");
        self.agent = Some("Kiro IDE");
    }

    /// Tells Amazon Q's command line from Kiro's, which has the same token. The front or the version does.
    fn name_command_line(&mut self) {
        if self.agent.is_some() {
            return;
        }
        let is_kiro = self.front.is_some_and(|front| front.starts_with("kiro"));
        let is_before_kiro = self.version.and_then(major_and_minor) < Some(FIRST_KIRO_CLI);
        self.agent = Some(match self.version {
            _ if is_kiro => "Kiro CLI",
            Some(_) if is_before_kiro => "Amazon Q Developer",
            _ => "Amazon Q CLI or Kiro CLI",
        });
    }
}

/// Takes the next token from a text.
#[inline]
fn next_token<'a>(text: &mut &'a str) -> Option<&'a str> {
    let rest = text.trim_ascii_start();
    let end = rest.bytes().position(|byte| byte.is_ascii_whitespace());
    let (token, behind) = rest.split_at(end.unwrap_or(rest.len()));
    *text = behind;
    filled(token)
}

/// Where the mark of Amazon Q's clients begins.
pub(crate) fn find_amazon_q(text: &str) -> Option<usize> {
    /// Where its rarest letter is in it.
    const Q: usize = 6;
    memchr::memchr_iter(b'Q', text.as_bytes()).find_map(|at| {
        let start = at.checked_sub(Q)?;
        let has_mark = text.get(start..)?.starts_with(AMAZON_Q);
        has_mark.then_some(start)
    })
}

/// The parts of a text before and behind a separator. The text is a short one, so that preparing a search would take
/// longer.
fn split_once<'a, const N: usize>(
    text: &'a str,
    separator: &[u8; N],
) -> Option<(&'a str, &'a str)> {
    let mut parts = text.as_bytes().windows(N);
    let at = parts.position(|part| part == separator)?;
    Some((text.get(..at)?, text.get(at + N..)?))
}

/// Whether a token is of Amazon Q's command line, not of its IDEs.
pub(crate) fn is_command_line(token: &str) -> bool {
    split_once(token, b"CLI").is_some()
}

/// The version of a product in a user agent: `2.1.202` of `claude-code/2.1.202 (cli)`.
pub(crate) fn version_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let tokens = unbracketed(text).split_ascii_whitespace();
    tokens
        .filter_map(product)
        .find(|(product, _)| *product == name)
        .map(|(_, version)| version)
}

/// Whether a product of this name is in a user agent.
pub(crate) fn has_product(text: &str, name: &str) -> bool {
    if !text.contains(name) {
        return false;
    }
    let mut tokens = unbracketed(text).split_ascii_whitespace();
    tokens.any(|token| token == name || product(token).is_some_and(|(product, _)| product == name))
}

fn unbracketed(text: &str) -> &str {
    let text = text.trim();
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    inner.unwrap_or(text).trim()
}

fn product(token: &str) -> Option<(&str, &str)> {
    let (name, version) = token.split_once('/')?;
    Some((filled(name)?, filled(version)?))
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests;
