//! A network and its parts, as they are described.

use mooring_provider::{Owner, tag};
use serde::{Deserialize, Deserializer};

use crate::marks::{self, Tags};

/// A network with what is in it.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(super) vpc: Vpc,
    pub(super) vswitches: Vec<VSwitch>,
    pub(super) groups: Vec<Group>,
    /// The zones of the region; known only while it may lack a vSwitch.
    pub(super) zones: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Vpc {
    pub(super) vpc_id: String,
    pub(super) status: String,
    pub(super) cidr_block: String,
    #[serde(default)]
    pub(super) resource_group_id: String,
    #[serde(default, deserialize_with = "listed")]
    pub(super) tags: Tags,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct VSwitch {
    #[serde(rename = "VSwitchId")]
    pub(super) id: String,
    #[serde(rename = "VSwitchName", default)]
    pub(super) name: String,
    #[serde(rename = "ZoneId")]
    pub(super) zone: String,
    #[serde(rename = "CidrBlock")]
    pub(super) cidr: String,
    #[serde(rename = "Status")]
    pub(super) status: String,
    #[serde(rename = "Tags", default, deserialize_with = "listed")]
    pub(super) tags: Tags,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Group {
    #[serde(rename = "SecurityGroupId")]
    pub(super) id: String,
    #[serde(rename = "Tags", default, deserialize_with = "listed")]
    pub(super) tags: Tags,
}

impl State {
    /// The owner that the tags of the network name.
    pub(super) fn owner(&self) -> Option<Owner> {
        marks::owner(&self.vpc.tags)
    }

    /// Whether a part was made with the network: its tags name the same identity.
    pub(super) fn is_part(&self, tags: &Tags) -> bool {
        let identity = self.vpc.tags.get(tag::IDENTITY);
        identity.is_some() && tags.get(tag::IDENTITY) == identity
    }

    /// The vSwitches that were made with the network.
    pub(super) fn own_vswitches(&self) -> impl Iterator<Item = &VSwitch> {
        self.vswitches.iter().filter(|vswitch| self.is_part(&vswitch.tags))
    }

    /// The security groups that were made with the network.
    pub(super) fn own_groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| self.is_part(&group.tags))
    }

    /// Ids of what somebody else put into it.
    pub(super) fn foreign(&self) -> Vec<&str> {
        let vswitches = self.vswitches.iter().filter(|vswitch| !self.is_part(&vswitch.tags));
        let groups = self.groups.iter().filter(|group| !self.is_part(&group.tags));
        vswitches
            .map(|vswitch| vswitch.id.as_str())
            .chain(groups.map(|group| group.id.as_str()))
            .collect()
    }
}

/// `{"Tag": [{"Key", "Value"}]}`, or `TagKey` and `TagValue`.
#[derive(Deserialize)]
struct TagList {
    #[serde(rename = "Tag", default)]
    list: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    #[serde(rename = "Key", alias = "TagKey")]
    key: String,
    #[serde(rename = "Value", alias = "TagValue", default)]
    value: String,
}

fn listed<'de, D: Deserializer<'de>>(from: D) -> Result<Tags, D::Error> {
    let tags = TagList::deserialize(from)?.list.into_iter();
    Ok(tags.map(|tag| (tag.key, tag.value)).collect())
}
