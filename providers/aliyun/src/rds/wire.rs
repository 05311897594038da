//! What the database API answers, as far as it is read.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Created {
    #[serde(rename = "DBInstanceId")]
    pub(super) id: String,
    /// `false`: the instance exists, and its tags do not.
    #[serde(rename = "TagResult")]
    pub(super) tagged: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Instances {
    #[serde(rename = "Items", default)]
    pub(super) items: InstanceList,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct InstanceList {
    #[serde(rename = "DBInstance", default)]
    pub(super) list: Vec<Instance>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Instance {
    #[serde(rename = "DBInstanceId")]
    pub(super) id: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Attributes {
    #[serde(rename = "Items", default)]
    pub(super) items: AttributeList,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct AttributeList {
    #[serde(rename = "DBInstanceAttribute", default)]
    pub(super) list: Vec<Attribute>,
}

/// An instance.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Attribute {
    #[serde(rename = "DBInstanceId")]
    pub(super) id: String,
    #[serde(rename = "DBInstanceStatus")]
    pub(super) status: String,
    #[serde(rename = "DBInstanceClass")]
    pub(super) class: String,
    #[serde(rename = "DBInstanceStorage", deserialize_with = "number")]
    pub(super) storage: u64,
    pub(super) engine: String,
    pub(super) engine_version: String,
    pub(super) category: String,
    pub(super) lock_mode: String,
    pub(super) lock_reason: String,
    pub(super) pay_type: String,
    pub(super) expire_time: String,
    pub(super) connection_string: String,
    #[serde(deserialize_with = "number")]
    pub(super) port: u64,
    pub(super) vpc_id: String,
    pub(super) resource_group_id: String,
    pub(super) deletion_protection: bool,
    pub(super) slave_zones: SlaveZones,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct SlaveZones {
    #[serde(rename = "SlaveZone")]
    pub(super) list: Vec<de::IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Groups {
    #[serde(rename = "Items", default)]
    pub(super) items: GroupList,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct GroupList {
    #[serde(rename = "DBInstanceIPArray", default)]
    pub(super) list: Vec<Group>,
}

/// A group of the whitelist.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Group {
    #[serde(rename = "DBInstanceIPArrayName", default)]
    pub(super) name: String,
    #[serde(rename = "SecurityIPList", default)]
    pub(super) addresses: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct SecurityGroups {
    #[serde(rename = "Items", default)]
    pub(super) items: SecurityGroupList,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct SecurityGroupList {
    #[serde(rename = "EcsSecurityGroupRelation", default)]
    pub(super) list: Vec<SecurityGroup>,
}

/// A security group that is let in.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SecurityGroup {
    #[serde(rename = "SecurityGroupId", default)]
    pub(super) id: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Databases {
    #[serde(rename = "Databases", default)]
    pub(super) databases: DatabaseList,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct DatabaseList {
    #[serde(rename = "Database", default)]
    pub(super) list: Vec<Database>,
}

/// A database in an instance.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Database {
    #[serde(rename = "DBName", default)]
    pub(super) name: String,
    #[serde(rename = "DBStatus", default)]
    pub(super) status: String,
}

/// Whether connections can be encrypted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ssl {
    #[serde(rename = "SSLEnabled", deserialize_with = "text")]
    pub(super) enabled: String,
    #[serde(rename = "ForceEncryption", deserialize_with = "text")]
    pub(super) forced: String,
    #[serde(rename = "ServerCert")]
    pub(super) certificate: String,
}

/// When backups are made, and how long they are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct BackupPolicy {
    #[serde(rename = "BackupRetentionPeriod", deserialize_with = "number")]
    pub(super) days: u64,
    #[serde(rename = "PreferredBackupPeriod")]
    pub(super) on: String,
    #[serde(rename = "PreferredBackupTime")]
    pub(super) at: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Accounts {
    #[serde(rename = "Accounts", default)]
    pub(super) accounts: AccountList,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct AccountList {
    #[serde(rename = "DBInstanceAccount", default)]
    pub(super) list: Vec<Account>,
}

/// An account of an instance.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Account {
    #[serde(rename = "AccountName", default)]
    pub(super) name: String,
    #[serde(rename = "AccountStatus", default)]
    pub(super) status: String,
    #[serde(rename = "DatabasePrivileges", default)]
    pub(super) privileges: PrivilegeList,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct PrivilegeList {
    #[serde(rename = "DatabasePrivilege", default)]
    pub(super) list: Vec<Privilege>,
}

/// What an account may do in a database.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Privilege {
    #[serde(rename = "DBName", default)]
    pub(super) database: String,
    #[serde(rename = "AccountPrivilege", default)]
    pub(super) may: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct TagPage {
    #[serde(rename = "TagResources", default)]
    pub(super) tags: TagList,
    #[serde(rename = "NextToken", default)]
    pub(super) next: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct TagList {
    #[serde(rename = "TagResource", default)]
    pub(super) list: Vec<Tag>,
}

/// One tag of one instance.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Tag {
    #[serde(rename = "ResourceId", default)]
    pub(super) id: String,
    #[serde(rename = "TagKey", default)]
    pub(super) key: String,
    #[serde(rename = "TagValue", default)]
    pub(super) value: String,
}

/// A number that some regions write as a text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Either;

    impl de::Visitor<'_> for Either {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, or a text that is one")
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
            u64::try_from(number).map_err(E::custom)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
            if text.is_empty() {
                Ok(0)
            } else {
                text.parse().map_err(E::custom)
            }
        }
    }

    deserializer.deserialize_any(Either)
}

/// A text that some engines write as a number or a boolean.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    })
}
