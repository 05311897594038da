//! The tags with which a resource says whose it is.
//!
//! A filter by tag is a hint and no proof: on some products it matches any of its tags, on others it lags. Whose a
//! resource is, is read from the tags of that one resource, all of them.

use std::collections::BTreeMap;

use mooring_provider::{Error, ErrorKind, Owner, Result, spec::Common, tag};

/// The tags of a resource.
pub(crate) type Tags = BTreeMap<String, String>;

/// What all tags of ours begin with.
const OURS: &str = "mooring.dev/";
/// The rest of a key that is longer than one value may be.
const KEY_REST: &str = "mooring.dev/key-rest";
/// The longest value a tag may have.
const LONGEST_VALUE: usize = 128;
/// How many tags a resource may have.
const MOST_TAGS: usize = 20;

/// The tags that name the owner.
pub(crate) fn of_owner(owner: &Owner) -> Tags {
    let mut tags: Tags = owner.tags().map(|(name, value)| (name.to_owned(), value)).into();
    let key = tags.entry(tag::KEY.to_owned()).or_default();
    // The parts of a key are names of Kubernetes, which are ASCII.
    if key.len() > LONGEST_VALUE && key.is_ascii() {
        let rest = key.split_off(LONGEST_VALUE);
        tags.insert(KEY_REST.to_owned(), rest);
    }
    tags
}

/// The owner that the tags name; `None` unless they do so in full.
pub(crate) fn owner(tags: &Tags) -> Option<Owner> {
    let key = format!(
        "{}{}",
        tags.get(tag::KEY)?,
        tags.get(KEY_REST).map_or("", String::as_str)
    );
    Owner::from_tags(|name| match name {
        tag::KEY => Some(key.as_str()),
        _ => tags.get(name).map(String::as_str),
    })
}

/// The tags that are neither ours nor the provider's own.
pub(crate) fn extra(tags: &Tags) -> Tags {
    tags.iter()
        .filter(|(name, _)| !name.starts_with(OURS) && !is_system(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn is_system(name: &str) -> bool {
    name.starts_with("acs:") || name.starts_with("aliyun") || name.starts_with("ack.")
}

/// All tags a new resource gets: the owner's, those of the spec, and `more` of ours.
pub(crate) fn all(owner: &Owner, common: &Common, more: impl IntoIterator<Item = (&'static str, String)>) -> Tags {
    let mut tags = common.tags.clone();
    tags.extend(of_owner(owner));
    tags.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    tags
}

/// What has to be set and what has to be removed so that the extra tags are those of the spec.
pub(crate) fn difference(common: &Common, has: &Tags) -> (Tags, Vec<String>) {
    let set = common
        .tags
        .iter()
        .filter(|(name, value)| has.get(*name) != Some(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let remove = extra(has)
        .into_keys()
        .filter(|name| !common.tags.contains_key(name))
        .collect();
    (set, remove)
}

/// The tags of an owner that are none of this owner's.
pub(crate) fn stale(has: &Tags, wanted: &Tags) -> Vec<String> {
    [KEY_REST]
        .into_iter()
        .filter(|name| has.contains_key(*name) && !wanted.contains_key(*name))
        .map(str::to_owned)
        .collect()
}

/// Checks the tags of a spec.
pub(crate) fn check(operation: &'static str, common: &Common) -> Result<()> {
    let bad = |name: &str, why: &str| {
        let message = format!("tags: `{name}` {why}");
        Err(Error::new(ErrorKind::InvalidSpec, operation, message))
    };
    for (name, value) in &common.tags {
        if name.starts_with(OURS) || is_system(name) {
            return bad(name, "is a name that is not yours to give; use another");
        }
        if name.is_empty() || name.len() > 64 {
            return bad(name, "is too long or empty; a tag's name has 1 to 64 characters");
        }
        if value.len() > LONGEST_VALUE || value.contains("://") {
            return bad(
                name,
                "has a value that no tag may have; use up to 128 characters and no address",
            );
        }
    }
    let most = MOST_TAGS - 8;
    if common.tags.len() > most {
        let message = format!(
            "tags: there are {}; a resource takes {most} beside our own",
            common.tags.len()
        );
        return Err(Error::new(ErrorKind::InvalidSpec, operation, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mooring_provider::{ClusterId, Identity, Key};

    use super::*;

    fn someone(name: &str) -> Owner {
        Owner {
            cluster: ClusterId::new("c"),
            identity: Identity::new("k3x9q2"),
            key: Key::new("team-a", "shop", "web", name),
        }
    }

    #[test]
    fn a_long_key_is_read_back_whole() {
        for name in ["rds".to_owned(), "x".repeat(200)] {
            let tags = of_owner(&someone(&name));
            assert!(tags.values().all(|value| value.len() <= LONGEST_VALUE));
            assert_eq!(owner(&tags), Some(someone(&name)));
        }
    }

    #[test]
    fn an_owner_is_named_in_full_or_not_at_all() {
        for missing in [tag::IDENTITY, tag::CLUSTER, tag::KEY] {
            let mut tags = of_owner(&someone("rds"));
            tags.remove(missing);
            assert_eq!(owner(&tags), None, "{missing}");
        }
        let mut tags = of_owner(&someone(&"x".repeat(200)));
        tags.remove(KEY_REST);
        assert_ne!(owner(&tags), Some(someone(&"x".repeat(200))));
    }

    #[test]
    fn only_tags_of_the_spec_are_managed() {
        let mut has = of_owner(&someone("rds"));
        has.extend([
            ("cost-center".into(), "c42".into()),
            ("old".into(), "x".into()),
            ("acs:rm:rgId".into(), "rg".into()),
        ]);
        let common = Common {
            tags: [("cost-center".into(), "c43".into())].into(),
            ..Common::default()
        };
        let (set, remove) = difference(&common, &has);
        assert_eq!(set, [("cost-center".into(), "c43".into())].into());
        assert_eq!(remove, ["old"]);
    }

    #[test]
    fn the_cloud_controllers_tag_is_refused() {
        let common = Common {
            tags: [("ack.aliyun.com".into(), "c1".into())].into(),
            ..Common::default()
        };
        let error = check("slb.validate", &common).expect_err("it would make the cloud controller refuse the balancer");
        assert_eq!(error.kind(), ErrorKind::InvalidSpec);
        assert!(error.message().contains("ack.aliyun.com"));
    }
}
