//! Bearer tokens.
//!
//! Enters: files with a token on each line, and a request's headers. Leaves: the name of the request's token. What
//! must hold: the time of a check reveals nothing about tokens; tokens stay valid if their file becomes unusable; no
//! token is ever logged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::runtime::reload::Reloaded;

/// The scheme of the `authorization` header, in any case.
const BEARER: &[u8] = b"Bearer ";
/// Headers whose value is a token.
const KEYS: [&str; 2] = ["x-api-key", "x-amz-firehose-access-key"];

/// The valid tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth {
    /// The config key that names the files.
    key: &'static str,
    files: Arc<Vec<File>>,
}

/// The tokens of a file. A changed file is read again.
#[derive(Debug)]
struct File {
    path: PathBuf,
    tokens: Reloaded<Vec<Token>>,
}

/// A token's digest.
struct Token {
    name: Arc<str>,
    digest: [u8; 32],
}

/// Why a file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{key}: cannot read {}: {source}", path.display())]
    Unreadable {
        key: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{key}: {} holds no token: write one per line", path.display())]
    Empty { key: &'static str, path: PathBuf },
}

/// The token is missing or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no token, or a wrong one ({0})")]
pub struct Unauthenticated(&'static str);

impl Auth {
    /// Reads the files, which the config key `key` names. Without files, no token is needed.
    ///
    /// # Errors
    /// A file that cannot be read, or has no token.
    pub fn open(key: &'static str, files: &[PathBuf]) -> anyhow::Result<Self> {
        let open = |path: &PathBuf| {
            let name = format!("the tokens of {}", path.display());
            Ok(File {
                path: path.clone(),
                tokens: Reloaded::load(name, vec![path.clone()], || read(key, path))?,
            })
        };
        let files = files.iter().map(open).collect::<Result<_, Error>>()?;
        Ok(Auth {
            key,
            files: Arc::new(files),
        })
    }

    /// The name of the request's token: its file's name, with the line if the file has several. `None` if no token is
    /// needed.
    ///
    /// # Errors
    /// The token is missing or wrong.
    pub fn check(&self, headers: &HeaderMap) -> Result<Option<Arc<str>>, Unauthenticated> {
        if self.is_open() {
            return Ok(None);
        }
        let sent: Vec<[u8; 32]> = tokens_of(headers).map(digest).collect();
        match self.find(&sent, |digest| *digest) {
            Some(name) => Ok(Some(name)),
            None => Err(Unauthenticated(self.key)),
        }
    }

    /// Whether no token is needed.
    pub fn is_open(&self) -> bool {
        self.files.is_empty()
    }

    /// The name of the token for which `derived`, of its digest, is one of `sent`.
    pub fn find(
        &self,
        sent: &[[u8; 32]],
        derived: impl Fn(&[u8; 32]) -> [u8; 32],
    ) -> Option<Arc<str>> {
        let read = |file: &File| file.tokens.current(|| read(self.key, &file.path));
        let valid: Vec<_> = self.files.iter().map(read).collect();
        // Compares every pair, so that the time does not depend on which matches.
        let (mut matched, mut found) = (0, Choice::from(0));
        let tokens = || valid.iter().flat_map(|tokens| tokens.iter());
        for (at, token) in (0u64..).zip(tokens()) {
            let expected = derived(&token.digest);
            for sent in sent {
                let equal = expected.ct_eq(sent);
                matched.conditional_assign(&at, equal);
                found |= equal;
            }
        }
        let token = tokens().nth(matched as usize);
        token
            .filter(|_| bool::from(found))
            .map(|token| Arc::clone(&token.name))
    }
}

/// The tokens in a request's headers.
fn tokens_of(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.as_bytes().split_at_checked(BEARER.len())?;
        scheme.eq_ignore_ascii_case(BEARER).then_some(token)
    });
    let keys = KEYS
        .iter()
        .filter_map(|name| headers.get(*name))
        .map(|value| value.as_bytes());
    bearer.into_iter().chain(keys).map(<[u8]>::trim_ascii)
}

/// The digest of a token.
pub fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The first token of a file, for a client.
///
/// # Errors
/// The file cannot be read, or has no token.
pub fn first_token(key: &'static str, path: &Path) -> anyhow::Result<Vec<u8>> {
    let text = content(key, path)?;
    Ok(tokens(key, path, &text)?[0].1.to_vec())
}

fn content(key: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Unreadable {
        key,
        path: path.to_owned(),
        source,
    })
}

/// The tokens in the text of a file, with the numbers of their lines; at least one.
fn tokens<'t>(
    key: &'static str,
    path: &Path,
    text: &'t [u8],
) -> Result<Vec<(usize, &'t [u8])>, Error> {
    let lines = (1..).zip(text.split(|byte| *byte == b'\n'));
    let lines: Vec<(usize, &[u8])> = lines
        .map(|(number, line)| (number, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
        .collect();
    match lines.is_empty() {
        true => Err(Error::Empty {
            key,
            path: path.to_owned(),
        }),
        false => Ok(lines),
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<Token>, Error> {
    let text = content(key, path)?;
    let lines = tokens(key, path, &text)?;
    let file = path.file_stem().unwrap_or_default().to_string_lossy();
    let several = lines.len() > 1;
    let token = |(number, line)| Token {
        name: match several {
            true => format!("{file}:{number}").into(),
            false => (*file).into(),
        },
        digest: digest(line),
    };
    Ok(lines.into_iter().map(token).collect())
}
