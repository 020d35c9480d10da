//! Which hosts are reached without a proxy: those that `NO_PROXY` names, and this machine.
//!
//! Enters: the variable's text. Leaves: a yes or no for a host and port. What must hold: an entry
//! means what it means to most programs that read `NO_PROXY`: `*`; a name, with its subdomains
//! (`example.com`, `.example.com`); subdomains alone (`*.example.com`); an IP address; a network
//! (`10.0.0.0/8`); each perhaps with a port (`collector:4317`, `[::1]:4317`); separated by commas or
//! spaces. An entry of no such form names nothing.

use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;

/// The hosts that are reached directly.
#[derive(Debug, Clone, Default)]
pub(crate) struct NoProxy(Vec<Entry>);

/// One of the list.
#[derive(Debug, Clone)]
struct Entry {
    hosts: Hosts,
    /// `None`: every port.
    port: Option<u16>,
}

#[derive(Debug, Clone)]
enum Hosts {
    All,
    Net(IpNet),
    /// A name in lower case, and its subdomains.
    Name(String),
    /// The subdomains of a name alone.
    Below(String),
}

impl NoProxy {
    /// The settings of the environment.
    pub(crate) fn from_env() -> Self {
        let (_, list) = variable(["NO_PROXY", "no_proxy"]).unwrap_or_default();
        NoProxy::of(&list)
    }

    /// The hosts that a list names.
    pub(crate) fn of(list: &str) -> Self {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        NoProxy(entries.filter_map(Entry::of).collect())
    }

    /// Whether this is reached directly. This machine always is.
    pub(crate) fn names(&self, uri: &Uri) -> bool {
        let host = uri.host().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).trim_end_matches('.');
        let host = host.to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("http") => 80,
            _ => 443,
        });
        is_local(&host, address)
            || self.0.iter().any(|entry| {
                entry.port.is_none_or(|only| only == port) && entry.hosts.hold(&host, address)
            })
    }
}

/// The first of these variables that is set to something, with its value.
pub(crate) fn variable<const N: usize>(names: [&'static str; N]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| {
        let value = std::env::var(name).ok()?;
        (!value.trim().is_empty()).then_some((name, value))
    })
}

fn is_local(host: &str, address: Option<IpAddr>) -> bool {
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

impl Entry {
    fn of(text: &str) -> Option<Self> {
        if let Some(hosts) = Hosts::of(text) {
            return Some(Entry { hosts, port: None });
        }
        let (host, port) = text.rsplit_once(':')?;
        Some(Entry {
            hosts: Hosts::of(host)?,
            port: Some(port.parse().ok()?),
        })
    }
}

impl Hosts {
    /// Hosts without a port.
    fn of(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Hosts::All);
        }
        if let Some(net) = net(text) {
            return Some(Hosts::Net(net));
        }
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        if let Some(name) = name.strip_prefix("*.") {
            return is_name(name).then(|| Hosts::Below(name.to_owned()));
        }
        let name = name.strip_prefix('.').unwrap_or(&name);
        is_name(name).then(|| Hosts::Name(name.to_owned()))
    }

    fn hold(&self, host: &str, address: Option<IpAddr>) -> bool {
        let is_below = |name: &str| {
            let rest = host.strip_suffix(name);
            rest.is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        };
        match self {
            Hosts::All => true,
            Hosts::Net(net) => address.is_some_and(|address| net.contains(&address)),
            Hosts::Name(name) => host == name || is_below(name),
            Hosts::Below(name) => is_below(name),
        }
    }
}

/// An address or a network; an IPv6 address may stand in brackets.
fn net(text: &str) -> Option<IpNet> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let plain = match bracketed {
        Some((address, rest)) if rest.is_empty() || rest.starts_with('/') => {
            [address, rest].concat()
        }
        _ => text.to_owned(),
    };
    let address = plain.parse::<IpAddr>().map(IpNet::from);
    address.ok().or_else(|| plain.parse().ok())
}

fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.chars().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str, url: &str) -> bool {
        NoProxy::of(list).names(&url.parse().unwrap())
    }

    #[test]
    fn every_form_of_an_entry_names_what_it_says() {
        for (list, named, others) in [
            (
                "*",
                &["https://a", "https://192.0.2.1", "https://[2001:db8::1]:1"][..],
                &[][..],
            ),
            ("*:4317", &["https://a:4317"], &["https://a:4318"]),
            (
                "example.com",
                &[
                    "https://example.com",
                    "https://EXAMPLE.com:1",
                    "https://a.b.example.com",
                    "https://example.com.",
                ],
                &[
                    "https://notexample.com",
                    "https://example.com.au",
                    "https://com",
                ],
            ),
            (
                "Example.COM.",
                &["https://example.com", "https://a.example.com"],
                &["https://example.org"],
            ),
            (
                ".example.com",
                &["https://example.com", "https://a.example.com"],
                &["https://notexample.com"],
            ),
            (
                "*.example.com",
                &["https://a.example.com", "https://a.b.example.com:4317"],
                &["https://example.com", "https://notexample.com"],
            ),
            (
                "collector.example:4317",
                &[
                    "https://collector.example:4317",
                    "https://a.collector.example:4317",
                ],
                &[
                    "https://collector.example",
                    "https://collector.example:4318",
                ],
            ),
            (
                "*.example.com:443",
                &["https://a.example.com", "https://a.example.com:443"],
                &[
                    "https://a.example.com:4317",
                    "http://a.example.com",
                    "https://example.com",
                ],
            ),
            (
                ".example.com:80",
                &["http://example.com"],
                &["https://example.com"],
            ),
            (
                "collector",
                &["https://collector:4317"],
                &["https://collectors"],
            ),
            (
                "192.0.2.7",
                &["https://192.0.2.7", "https://192.0.2.7:4317"],
                &["https://192.0.2.8", "https://1192.0.2.7"],
            ),
            (
                "192.0.2.7:4317",
                &["https://192.0.2.7:4317"],
                &["https://192.0.2.7"],
            ),
            (
                "10.0.0.0/8",
                &["https://10.1.2.3", "https://10.255.255.255:1"],
                &["https://11.0.0.1", "https://10.example.com"],
            ),
            (
                "10.0.0.0/8:4317",
                &["https://10.1.2.3:4317"],
                &["https://10.1.2.3:1"],
            ),
            (
                "2001:db8::1",
                &["https://[2001:db8::1]", "https://[2001:DB8:0::1]:4317"],
                &["https://[2001:db8::2]"],
            ),
            (
                "[2001:db8::1]",
                &["https://[2001:db8::1]:4317"],
                &["https://[2001:db8::2]"],
            ),
            (
                "[2001:db8::1]:4317",
                &["https://[2001:db8::1]:4317"],
                &["https://[2001:db8::1]", "https://[2001:db8::1]:4318"],
            ),
            (
                "2001:db8::/32",
                &["https://[2001:db8:1::9]"],
                &["https://[2001:db9::1]", "https://192.0.2.1"],
            ),
            (
                "[2001:db8::]/32",
                &["https://[2001:db8:1::9]"],
                &["https://[2001:db9::1]"],
            ),
            (
                " a.example ,b.example:1\tc.example,, *.d.example ",
                &[
                    "https://a.example",
                    "https://b.example:1",
                    "https://c.example",
                    "https://x.d.example",
                ],
                &[
                    "https://b.example",
                    "https://d.example",
                    "https://e.example",
                ],
            ),
        ] {
            for url in named {
                assert!(names(list, url), "{list} names {url}");
            }
            for url in others {
                assert!(!names(list, url), "{list} does not name {url}");
            }
        }
    }

    #[test]
    fn an_entry_of_no_known_form_names_nothing_and_spoils_no_other() {
        for list in [
            "",
            " ",
            ",",
            ".",
            "*.",
            ":",
            ":4317",
            "a.example:",
            "a.example:port",
            "a.example:99999",
            "10.0.0.0/99",
            "https://a.example",
            "**",
            "a*",
        ] {
            assert!(!names(list, "https://a.example:4317"), "{list}");
            assert!(
                names(&format!("{list},a.example"), "https://a.example"),
                "{list}"
            );
        }
    }

    #[test]
    fn this_machine_is_reached_without_a_proxy() {
        for local in [
            "https://localhost:1",
            "https://LOCALHOST",
            "https://127.0.0.1:1",
            "https://127.1.2.3",
            "https://[::1]:1",
        ] {
            assert!(names("", local), "{local}");
        }
        for other in [
            "https://collector:1",
            "https://localhost.example",
            "https://0.0.0.0",
        ] {
            assert!(!names("", other), "{other}");
        }
    }
}
