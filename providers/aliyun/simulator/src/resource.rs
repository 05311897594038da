//! What exists in the cloud.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// What a thing in the cloud is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A VPC.
    Vpc,
    /// A vSwitch; its parent is its VPC.
    VSwitch,
    /// A security group; its parent is its VPC.
    SecurityGroup,
    /// A network interface; its parent is its vSwitch.
    NetworkInterface,
    /// An ECS instance.
    Instance,
    /// A CLB instance.
    Clb,
    /// A CLB listener, `lb-x/tcp:80`.
    ClbListener,
    /// A CLB backend server group.
    ClbGroup,
    /// A CLB access control list.
    ClbAcl,
    /// A CLB server certificate.
    Certificate,
    /// An NLB instance.
    Nlb,
    /// An NLB listener; its parent is its balancer.
    NlbListener,
    /// An NLB server group.
    NlbGroup,
    /// An NLB job.
    Job,
    /// An RDS instance.
    Db,
    /// An account of an RDS instance, `rm-x/name`.
    Account,
    /// A database of an RDS instance, `rm-x/name`.
    Database,
    /// A whitelist group of an RDS instance, `rm-x/name`.
    Whitelist,
    /// A backup of an RDS instance; it outlives it if told so.
    Backup,
    /// An SLS project.
    Project,
    /// A log store, `project/name`.
    Logstore,
    /// A Logtail configuration, `project/name`.
    Config,
    /// A Logtail pipeline configuration, `project/name`.
    Pipeline,
    /// A machine group, `project/name`.
    MachineGroup,
    /// A CloudMonitor rule.
    Rule,
    /// A CloudMonitor contact.
    Contact,
    /// A CloudMonitor contact group.
    ContactGroup,
}

impl Kind {
    /// Whether nobody sees one for a while after it was made, where the cloud is told to hide new ones.
    pub(crate) const fn hides(self) -> bool {
        matches!(
            self,
            Self::Vpc
                | Self::VSwitch
                | Self::SecurityGroup
                | Self::Clb
                | Self::Nlb
                | Self::NlbGroup
                | Self::Db
                | Self::Project
                | Self::Logstore
                | Self::Rule
        )
    }

    /// What the kind of its parent is, of those that go with their parent.
    pub(crate) const fn parent(self) -> Option<Self> {
        Some(match self {
            Self::VSwitch | Self::SecurityGroup => Self::Vpc,
            Self::NetworkInterface => Self::VSwitch,
            Self::ClbListener | Self::ClbGroup => Self::Clb,
            Self::NlbListener => Self::Nlb,
            Self::Account | Self::Database | Self::Whitelist => Self::Db,
            Self::Logstore | Self::Config | Self::Pipeline | Self::MachineGroup => Self::Project,
            _ => return None,
        })
    }
}

/// A state that passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Busy {
    /// What its status says meanwhile.
    pub status: String,
    /// Until when, in milliseconds.
    pub until: i64,
}

/// A thing in the cloud. Its times are milliseconds of the cloud's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// What it is.
    pub kind: Kind,
    /// What the API calls it. What lives inside something is `parent/name` where the API has no id for it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it lives inside, by id.
    pub parent: Option<String>,
    /// Whose it is.
    pub account: String,
    /// When it was made.
    pub created: i64,
    /// From when on it is seen.
    pub visible_from: i64,
    /// What it does at the moment.
    pub busy: Option<Busy>,
    /// When it will be gone.
    pub gone_at: Option<i64>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What else the API tells of it, in the words of its answers.
    pub attrs: Map<String, Json>,
    /// The rows of a database, the lines of a log store.
    pub rows: Vec<String>,
}

impl Resource {
    /// Its status: what it does, else what it is when it rests.
    pub fn status(&self, now: i64, resting: &str) -> String {
        let busy = self.busy.as_ref().filter(|busy| now < busy.until);
        busy.map_or_else(|| resting.to_owned(), |busy| busy.status.clone())
    }

    pub(crate) fn is_busy(&self, now: i64) -> bool {
        self.busy.as_ref().is_some_and(|busy| now < busy.until)
    }

    pub(crate) fn attr(&self, name: &str) -> Json {
        self.attrs.get(name).cloned().unwrap_or(Json::Null)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.attrs.get(name).and_then(Json::as_str).unwrap_or_default()
    }

    pub(crate) fn truth(&self, name: &str) -> bool {
        self.attrs.get(name).and_then(Json::as_bool).unwrap_or_default()
    }

    pub(crate) fn list(&self, name: &str) -> &[Json] {
        self.attrs.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Json>) {
        self.attrs.insert(name.into(), value.into());
    }
}
