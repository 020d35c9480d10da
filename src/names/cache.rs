//! The answers so far, in memory and in a file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use qtrail_core::convert::Names;
use serde::{Deserialize, Serialize};

use super::Settings;

/// Users that are remembered at most. Of more, those whose answers are oldest are forgotten.
const USERS: usize = 10_000;
/// Bytes of the file at most.
const FILE_BYTES: u64 = 16 << 20;
/// How long it is remembered that there is no such user.
const NOBODY: Duration = Duration::from_secs(3600);
/// The version of the file.
const VERSION: u32 = 1;

/// The answers about users, by `store/user`.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    users: HashMap<String, Answer>,
    expire: i64,
}

/// What is known of a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answer {
    /// `None`: there is no such user, or the user has no name.
    name: Option<String>,
    /// When it was asked for, in seconds since 1970.
    at: i64,
}

#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    users: HashMap<String, Answer>,
}

/// The answers in the file. One that cannot be used is as if there were none: everything in it can be asked for again.
pub(super) fn load(settings: &Settings) -> Cache {
    let users = match read(&settings.path) {
        Ok(users) => users,
        Err(e) if e.kind() == io::ErrorKind::NotFound => HashMap::new(),
        Err(e) => {
            let path = settings.path.display();
            tracing::warn!("names in {path} cannot be used, and are looked up again: {e}");
            HashMap::new()
        }
    };
    Cache {
        users,
        expire: i64::try_from(settings.expire.as_secs()).unwrap_or(i64::MAX),
    }
}

fn read(path: &Path) -> io::Result<HashMap<String, Answer>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES).read_to_end(&mut bytes)?;
    let content: Content = serde_json::from_slice(&bytes)?;
    match content.version {
        VERSION => Ok(content.users),
        other => Err(io::Error::other(format!("it is of version {other}"))),
    }
}

impl Cache {
    /// Whether a user need not be asked for now. A clock that was set back makes nothing last.
    pub(super) fn is_fresh(&self, user: &str, now: i64) -> bool {
        self.users.get(user).is_some_and(|answer| {
            let lasts = match answer.name {
                Some(_) => self.expire,
                None => self.expire.min(NOBODY.as_secs() as i64),
            };
            (0..lasts).contains(&now.saturating_sub(answer.at))
        })
    }

    /// Takes an answer.
    pub(super) fn put(&mut self, user: String, name: Option<String>, now: i64) {
        if self.users.len() >= USERS && !self.users.contains_key(&user) {
            let oldest = self.users.iter().min_by_key(|(_, answer)| answer.at);
            if let Some(oldest) = oldest.map(|(user, _)| user.clone()) {
                self.users.remove(&oldest);
            }
        }
        self.users.insert(user, Answer { name, at: now });
    }

    /// Forgets users who were not seen again: a name that expired is kept as long again.
    pub(super) fn forget(&mut self, now: i64) {
        let oldest = now.saturating_sub(self.expire.saturating_mul(2));
        self.users.retain(|_, answer| answer.at > oldest);
    }

    /// The names.
    pub(super) fn names(&self) -> Names {
        let named = |(user, answer): (&String, &Answer)| Some((user.clone(), answer.name.clone()?));
        self.users.iter().filter_map(named).collect()
    }

    /// Replaces the file.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let content = Content {
            version: VERSION,
            users: self.users.clone(),
        };
        file.write_all(&serde_json::to_vec(&content)?)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(path: &Path) -> Settings {
        Settings {
            region: None,
            expire: Duration::from_secs(1000),
            path: path.to_owned(),
        }
    }

    #[test]
    fn answers_expire_and_those_about_nobody_sooner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/names.json");
        let mut settings = settings(&path);
        settings.expire = Duration::from_secs(8000);
        let mut cache = load(&settings);
        cache.put("d/mary".to_owned(), Some("Mary".to_owned()), 100);
        cache.put("d/nobody".to_owned(), None, 100);
        cache.save(&path).unwrap();
        let mut cache = load(&settings);
        for (now, mary, nobody) in [
            (99, false, false),
            (100, true, true),
            (3699, true, true),
            (3700, true, false),
            (8100, false, false),
        ] {
            let fresh = ["d/mary", "d/nobody"].map(|user| cache.is_fresh(user, now));
            assert_eq!(fresh, [mary, nobody], "{now}");
        }
        // The old name is used until there is a new one, or nobody asks any more.
        cache.forget(16_000);
        assert_eq!(cache.names().find("d/mary"), Some("Mary"));
        cache.forget(16_200);
        assert_eq!(cache.names().find("d/mary"), None);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_no_error_and_the_number_of_users_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names.json");
        for broken in ["", "{", r#"{"version":2,"users":{}}"#, r#"{"users":[]}"#] {
            std::fs::write(&path, broken).unwrap();
            assert!(load(&settings(&path)).users.is_empty(), "{broken}");
        }
        let mut cache = load(&settings(&path));
        for number in 0..=USERS {
            cache.put(number.to_string(), None, number as i64);
        }
        assert_eq!(cache.users.len(), USERS);
        assert!(!cache.users.contains_key("0") && cache.users.contains_key("1"));
    }
}
