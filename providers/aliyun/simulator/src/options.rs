//! What a simulated cloud is like.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// The account of the default access key.
pub const ACCOUNT: &str = "1234567890123456";
/// An account that is somebody else's.
pub const OTHER_ACCOUNT: &str = "6543210987654321";
/// The default access key's id.
pub const ACCESS_KEY_ID: &str = "testid";
/// The default access key's secret.
pub const ACCESS_KEY_SECRET: &str = "testsecret";

/// What a simulated cloud is like. Times are of its own clock, which tests may advance.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 is any free one.
    pub listen: SocketAddr,
    /// The file that keeps it when its process ends.
    pub state: Option<PathBuf>,
    /// Where its ids and its faults by chance come from.
    pub seed: u64,
    /// Who may call.
    pub access_keys: Vec<AccessKey>,
    /// The only region there is.
    pub region: String,
    /// The zones of the region.
    pub zones: Vec<String>,
    /// Its clock stands still but when it is advanced.
    pub frozen: bool,
    /// How long a creation, a change or a deletion goes on after it was accepted.
    pub provisioning: Duration,
    /// How long what was created cannot be seen.
    pub invisible_for: Duration,
    /// How long a client token is "still processing" after its first use.
    pub token_processing: Duration,
    /// How long the network interfaces of a database or a balancer outlive it.
    pub lingering: Duration,
    /// How many calls per second each Action admits; `None` is any number.
    pub throttle: Option<u32>,
    /// How many there may be of each.
    pub quotas: Quotas,
    /// How likely a call goes wrong.
    pub chances: Chances,
    /// An Apsara Stack's scope: calls without it see nothing.
    pub scope: Option<Scope>,
}

impl Default for Options {
    fn default() -> Self {
        let region = "cn-hangzhou";
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            state: None,
            seed: 0,
            access_keys: vec![AccessKey::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET, ACCOUNT)],
            region: region.into(),
            zones: ["h", "i", "j"].map(|zone| format!("{region}-{zone}")).into(),
            frozen: false,
            provisioning: Duration::ZERO,
            invisible_for: Duration::ZERO,
            token_processing: Duration::ZERO,
            lingering: Duration::ZERO,
            throttle: None,
            quotas: Quotas::default(),
            chances: Chances::default(),
            scope: None,
        }
    }
}

/// A key that may call.
#[derive(Clone)]
pub struct AccessKey {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Whose it is.
    pub account: String,
}

impl AccessKey {
    /// A key of an account.
    pub fn new(id: impl Into<String>, secret: impl Into<String>, account: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: secret.into(),
            account: account.into(),
        }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessKey({} of {}, ***)", self.id, self.account)
    }
}

/// How many there may be of each in an account, by what the vendor documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// VPCs in a region.
    pub vpcs: usize,
    /// vSwitches in a VPC.
    pub vswitches: usize,
    /// Databases instances.
    pub databases: usize,
    /// Balancers of each product.
    pub balancers: usize,
    /// Log projects.
    pub projects: usize,
    /// Log stores in a project.
    pub logstores: usize,
    /// Accounts in a database instance.
    pub accounts: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            vpcs: 10,
            vswitches: 150,
            databases: 1000,
            balancers: 60,
            projects: 50,
            logstores: 200,
            accounts: 50,
        }
    }
}

/// How likely a call goes wrong, each from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chances {
    /// It fails and has no effect.
    pub before: f64,
    /// It has its effect and answers with a server error.
    pub after: f64,
    /// It has its effect and the connection breaks.
    pub lost: f64,
    /// It is throttled.
    pub throttled: f64,
    /// It answers late.
    pub slow: f64,
}

/// The organisation and resource group that an Apsara Stack wants on every call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `Department` and `OrganizationId`, `x-acs-organizationid`.
    pub organization: String,
    /// `ResourceGroup`, `x-acs-resourcegroupid`.
    pub resource_group: String,
}
