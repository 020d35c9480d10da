//! `qtrail pseudonym`: finds someone again in data with pseudonyms.

use std::net::IpAddr;

use super::Exit;
use super::args::PseudonymArgs;
use crate::config::Config;

/// Prints the pseudonym of each text, one a line.
///
/// # Errors
/// No key is configured.
pub fn run(args: &PseudonymArgs, config: &Config) -> anyhow::Result<Exit> {
    let Some(pseudonyms) = &config.pseudonyms else {
        anyhow::bail!(
            "there is no key: set redact.key in the configuration file, or QTRAIL_REDACT_KEY, to the key that the data was \
             exported with"
        );
    };
    let line = |text: &String| match text.parse::<IpAddr>() {
        Ok(_) => pseudonyms.of(text) + "\n",
        Err(_) => pseudonyms.of_each(text) + "\n",
    };
    super::print(&args.texts.iter().map(line).collect::<String>())
}
