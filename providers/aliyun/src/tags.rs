//! Tags, as the products read and write them.

use std::collections::BTreeMap;

use mooring_provider::{Claim, Error, ErrorKind, Owner, Result, spec::Common};
use serde::Deserialize;

/// How many tags a call takes.
const MOST: usize = 20;
/// How many of them say whose a resource is.
const OWNERS: usize = 3;

/// `{"Tag": [{"Key", "Value"}]}`, or `TagKey` and `TagValue`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Tags {
    #[serde(rename = "Tag", default)]
    list: Vec<Tag>,
}

#[derive(Debug, Clone, Deserialize)]
struct Tag {
    #[serde(rename = "Key", alias = "TagKey")]
    key: String,
    #[serde(rename = "Value", alias = "TagValue", default)]
    value: String,
}

impl Tags {
    /// The value of a tag.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.list
            .iter()
            .find(|tag| tag.key == key)
            .map(|tag| tag.value.as_str())
    }

    /// The owner that they name in full.
    pub(crate) fn owner(&self) -> Option<Owner> {
        Owner::from_tags(|key| self.get(key))
    }

    /// Of the tags that are wanted, those that are there so. Tags of others are nobody's drift.
    pub(crate) fn of_wanted(&self, wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let found = |key: &String| Some((key.clone(), self.get(key)?.to_owned()));
        wanted.keys().filter_map(found).collect()
    }
}

/// Every tag of a resource: those of its owner, and those that are declared.
pub(crate) fn all(claim: &Claim, common: &Common) -> Vec<(String, String)> {
    let owner = claim.owner.tags().map(|(key, value)| (key.to_owned(), value));
    let declared = common.tags.iter().map(|(key, value)| (key.clone(), value.clone()));
    owner.into_iter().chain(declared).collect()
}

/// Checks what the products ask of tags.
pub(crate) fn validate(common: &Common, operation: &'static str) -> Result<()> {
    let refuse = |message: String| Err(Error::new(ErrorKind::InvalidSpec, operation, message));
    if common.tags.len() > MOST - OWNERS {
        return refuse(format!(
            "tags: {} are too many; Alibaba Cloud takes {} beside those of the owner",
            common.tags.len(),
            MOST - OWNERS
        ));
    }
    for (key, value) in &common.tags {
        let lower = key.to_ascii_lowercase();
        let reserved = lower.starts_with("aliyun") || lower.starts_with("acs:") || lower.starts_with("mooring.dev/");
        if key.is_empty() || key.len() > 128 || reserved || lower.contains("://") {
            return refuse(format!(
                "tags.{key}: `{key}` cannot be the name of a tag; use 1 to 128 characters that do not begin with \
                 aliyun, acs: or mooring.dev/"
            ));
        }
        if value.len() > 128 || value.contains("://") {
            return refuse(format!(
                "tags.{key}: `{value}` cannot be a tag; use up to 128 characters, no address"
            ));
        }
    }
    Ok(())
}
