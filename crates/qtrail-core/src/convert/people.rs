//! Who is who, by the user's own table.
//!
//! Enters: people, each with the ids that are theirs. Leaves: the person that an id belongs to. What must hold: an id
//! belongs to one person; ids are compared byte for byte, except that the case of an e-mail address makes no difference.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// The table of people. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct People(Arc<Table>);

#[derive(Debug, Clone, Default)]
struct Table {
    people: Vec<Person>,
    /// The place of the person, by id.
    by_id: HashMap<Box<str>, usize>,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What becomes `enduser.id`.
    pub id: String,
    /// What becomes `user.name`, if it is known.
    pub name: Option<String>,
}

/// An id that two people claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The id.
    pub id: String,
    /// Whose it was first: how many people were added before that one.
    pub by: usize,
}

impl People {
    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.0.people.is_empty()
    }

    /// How many people are in it.
    pub fn len(&self) -> usize {
        self.0.people.len()
    }

    /// The person that an id belongs to.
    pub fn find(&self, id: &str) -> Option<&Person> {
        let place = self.0.by_id.get(&*comparable(id))?;
        self.0.people.get(*place)
    }

    /// Adds a person with their other ids.
    ///
    /// # Errors
    /// One of the ids is somebody else's. Then nothing is added.
    pub fn add(&mut self, person: Person, aliases: &[&str]) -> Result<(), Claimed> {
        let table = Arc::make_mut(&mut self.0);
        let ids = || [&*person.id].into_iter().chain(aliases.iter().copied());
        for id in ids() {
            if let Some(by) = table.by_id.get(&*comparable(id)) {
                return Err(Claimed {
                    id: id.to_owned(),
                    by: *by,
                });
            }
        }
        let place = table.people.len();
        let own = ids().map(|id| (comparable(id).into(), place));
        table.by_id.extend(own);
        table.people.push(person);
        Ok(())
    }
}

/// The form in which ids are compared. Identity providers write the same address in different cases.
fn comparable(id: &str) -> Cow<'_, str> {
    let is_address = id.contains('@') && !id.contains([':', '/']);
    match is_address && id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(id.to_ascii_lowercase()),
        false => Cow::Borrowed(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str) -> Person {
        Person {
            id: id.to_owned(),
            name: None,
        }
    }

    #[test]
    fn an_id_belongs_to_one_person() {
        let mut people = People::default();
        people.add(person("a"), &["b", "b", "a"]).unwrap();
        for ids in [["c", "b"], ["a", "d"]] {
            let claimed = people.add(person(ids[0]), &[ids[1]]).unwrap_err();
            assert_eq!(claimed.by, 0, "{claimed:?}");
        }
        assert_eq!(
            (people.len(), people.find("c"), people.find("d")),
            (1, None, None)
        );
        people.add(person("c"), &[]).unwrap();
        assert_eq!(people.find("b"), Some(&person("a")));
        assert_eq!(people.find("c"), Some(&person("c")));
    }

    #[test]
    fn only_the_case_of_an_address_makes_no_difference() {
        let mut people = People::default();
        let aliases = ["Mary@Example.com", "Bob", "AROAX:Mary@example.com"];
        people.add(person("m"), &aliases).unwrap();
        for (id, is_known) in [
            ("mary@example.COM", true),
            ("Bob", true),
            ("bob", false),
            ("AROAX:Mary@example.com", true),
            ("aroax:Mary@example.com", false),
            (" Bob", false),
            ("", false),
        ] {
            assert_eq!(people.find(id).is_some(), is_known, "{id}");
        }
        assert!(people.add(person("mary@example.com"), &[]).is_err());
    }
}
