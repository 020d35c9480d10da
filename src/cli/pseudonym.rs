//! `qtrail pseudonym`: finds someone again in data with pseudonyms.

use std::net::IpAddr;

use super::Exit;
use super::args::PseudonymArgs;
use crate::config::Config;

/// Prints the pseudonym of each text, one a line. For an id of a person in the file of people, it is that of the person.
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
    let line = |text: &String| {
        let own = match text.parse::<IpAddr>() {
            Ok(_) => pseudonyms.of(text),
            Err(_) => pseudonyms.of_each(text),
        };
        let person = config.convert.identities.find(text);
        let shown = match person.map(|person| pseudonyms.of_person(&person.id)) {
            Some(of_person) if of_person != own => {
                tracing::warn!(
                    "{text:?} is an alias: {of_person} is the person's (enduser.id); {own} stands for the alias itself"
                );
                of_person
            }
            _ => own,
        };
        shown + "\n"
    };
    super::print(&args.texts.iter().map(line).collect::<String>())
}
