//! How a resource says whose it is.
//!
//! Tags are texts of at most 60 characters without a comma (the least that any release takes). One is `name=value`;
//! what does not fit is continued in `name#1=`, `name#2=`, so nothing is cut off. The sentence of an owner, for
//! descriptions and for the names of database instances, is its parts in a row behind the word `mooring.dev`.

use std::collections::BTreeMap;

use mooring_provider::{ClusterId, Error, ErrorKind, Identity, Owner, Result, tag};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

const TAG: usize = 60;
/// The longest description, and the longest name of a database instance.
const SENTENCE: usize = 255;
const MARK: &str = "mooring.dev";
const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b',').add(b'#').add(b' ').add(b'=');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// The tags of an owner, and others.
pub(crate) fn tags(owner: &Owner, others: &BTreeMap<String, String>) -> Vec<String> {
    let owners = owner.tags().map(|(name, value)| (name.to_owned(), value));
    let all = owners.iter().map(|(name, value)| (name, value)).chain(others);
    all.flat_map(|(name, value)| tag(name, value)).collect()
}

fn tag(name: &str, value: &str) -> Vec<String> {
    let (name, value) = (encoded(name), encoded(value));
    let (mut made, mut rest) = (Vec::new(), value.as_str());
    loop {
        let head = match made.len() {
            0 => format!("{name}="),
            n => format!("{name}#{n}="),
        };
        // What is encoded is ASCII, so it can be cut anywhere.
        let (now, later) = rest.split_at(rest.len().min(TAG.saturating_sub(head.len()).max(1)));
        made.push(head + now);
        rest = later;
        if rest.is_empty() {
            return made;
        }
    }
}

/// The names and values of tags; those that are none of this form are left out.
pub(crate) fn read(tags: &[String]) -> BTreeMap<String, String> {
    let mut parts: BTreeMap<(&str, usize), &str> = BTreeMap::new();
    for (name, value) in tags.iter().filter_map(|tag| tag.split_once('=')) {
        let (name, n) = match name.split_once('#') {
            None => (name, 0),
            Some((name, n)) => match n.parse() {
                Ok(n) => (name, n),
                Err(_) => continue,
            },
        };
        parts.insert((name, n), value);
    }
    let mut whole: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for ((name, n), value) in parts {
        let (next, text) = whole.entry(name).or_default();
        if n == *next {
            text.push_str(value);
            *next += 1;
        }
    }
    whole
        .into_iter()
        .filter_map(|(name, (_, text))| Some((decoded(name)?, decoded(&text)?)))
        .collect()
}

/// Tags that are not the owner's.
pub(crate) fn others(tags: &[String]) -> BTreeMap<String, String> {
    let ours = [tag::IDENTITY, tag::CLUSTER, tag::KEY, tag::PARKED_UNTIL];
    let mut tags = read(tags);
    tags.retain(|name, _| !ours.contains(&name.as_str()));
    tags
}

/// The owner that tags name, else a description.
pub(crate) fn owner(tags: &[String], description: &str) -> Option<Owner> {
    let tags = read(tags);
    match Owner::from_tags(|name| tags.get(name).map(String::as_str)) {
        Some(owner) => Some(owner),
        // Tags that name part of an owner were changed by somebody; the description does not overrule them.
        None if tags.contains_key(tag::IDENTITY) => None,
        None => sentence(description).map(|(owner, _)| owner),
    }
}

/// An owner in one line, with more words behind it.
pub(crate) fn describe(owner: &Owner, more: &[(&str, &str)]) -> Result<String> {
    let (identity, cluster, key) = (owner.identity.as_str(), owner.cluster.as_str(), owner.key.to_string());
    let mut words = vec![MARK.to_owned(), encoded(identity), encoded(cluster), encoded(&key)];
    words.extend(
        more.iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value))),
    );
    let text = words.join(" ");
    if text.len() > SENTENCE {
        let message = format!(
            "the names of namespace, application, component and trait (`{key}`) are too long for OpenStack, which \
             keeps {SENTENCE} characters and would have to keep {}; shorten them",
            text.len()
        );
        return Err(Error::new(ErrorKind::InvalidSpec, "openstack.create", message));
    }
    Ok(text)
}

/// A readable name before [`describe`], as far as there is room for it.
pub(crate) fn entitle(name: &str, owner: &Owner, more: &[(&str, &str)]) -> Result<String> {
    let text = describe(owner, more)?;
    let room = SENTENCE.saturating_sub(text.len() + 1);
    Ok(match name.get(..room.min(name.len())) {
        Some(name) if !name.is_empty() => format!("{name} {text}"),
        _ => text,
    })
}

/// The owner in a text that [`describe`] or [`entitle`] made, and the words behind it.
pub(crate) fn sentence(text: &str) -> Option<(Owner, BTreeMap<String, String>)> {
    let mut words = text.split(' ').skip_while(|word| *word != MARK).skip(1);
    let owner = Owner {
        identity: Identity::new(decoded(words.next()?)?),
        cluster: ClusterId::new(decoded(words.next()?)?),
        key: decoded(words.next()?)?.parse().ok()?,
    };
    let more = words.filter_map(|word| word.split_once('='));
    let more = more.filter_map(|(name, value)| Some((decoded(name)?, decoded(value)?)));
    Some((owner, more.collect()))
}

#[cfg(test)]
mod tests {
    use mooring_provider::Key;

    use super::*;

    fn owner() -> Owner {
        Owner {
            cluster: ClusterId::new("8d5f2a5e-23a1-4c3e-9a55-0d6b6d7a1f00"),
            identity: Identity::new("k3x9q2"),
            key: Key::new("n".repeat(60), "shop", "web", "rds"),
        }
    }

    #[test]
    fn tags_are_short_and_read_back_whole() {
        let others = BTreeMap::from([
            ("cost, center".to_owned(), "a=b,c#1 100% ".repeat(20)),
            ("empty".to_owned(), String::new()),
        ]);
        let tags = tags(&owner(), &others);
        assert!(
            tags.iter().all(|tag| tag.len() <= TAG && !tag.contains(',')),
            "{tags:?}"
        );
        assert_eq!(super::owner(&tags, ""), Some(owner()));
        assert_eq!(super::others(&tags), others);
    }

    #[test]
    fn a_description_names_the_owner_until_the_tags_do() {
        let description = describe(&owner(), &[]).expect("short enough");
        assert_eq!(super::owner(&[], &description), Some(owner()));
        let half = tag(tag::IDENTITY, "somebody-else");
        assert_eq!(super::owner(&half, &description), None, "tags that were changed win");
        assert_eq!(super::owner(&[], "a network of mine"), None);
    }

    #[test]
    fn a_name_carries_more_words() {
        let name = entitle("shop-web-rds-k3x9q2", &owner(), &[("database", "my shop")]).expect("short enough");
        let (found, more) = sentence(&name).expect("it is a sentence");
        assert_eq!((found, more["database"].as_str()), (owner(), "my shop"));
        assert_eq!(sentence("shop-web-rds-k3x9q2"), None);
        let mut long = owner();
        long.key.application = "a".repeat(250);
        assert_eq!(
            describe(&long, &[]).map_err(|error| error.kind()),
            Err(ErrorKind::InvalidSpec)
        );
    }
}
