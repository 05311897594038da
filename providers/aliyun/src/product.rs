//! The products that are spoken to.

/// A product of Alibaba Cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// Networks.
    Vpc,
    /// Servers; of them only security groups, and the addresses of nodes.
    Ecs,
    /// Classic load balancers.
    Slb,
    /// Network load balancers.
    Nlb,
    /// Databases.
    Rds,
    /// Cloud monitor.
    Cms,
    /// Whose the credentials are, and roles.
    Sts,
    /// The log service.
    Sls,
    /// The log service's projects on Apsara Stack.
    SlsProjects,
    /// Organisations and resource groups of Apsara Stack.
    Ascm,
}

impl Product {
    /// Every product.
    pub const ALL: [Self; 10] = [
        Self::Vpc,
        Self::Ecs,
        Self::Slb,
        Self::Nlb,
        Self::Rds,
        Self::Cms,
        Self::Sts,
        Self::Sls,
        Self::SlsProjects,
        Self::Ascm,
    ];

    /// As it is called in the contract and in the headers of Apsara Stack.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vpc => "Vpc",
            Self::Ecs => "Ecs",
            Self::Slb => "Slb",
            Self::Nlb => "Nlb",
            Self::Rds => "Rds",
            Self::Cms => "Cms",
            Self::Sts => "Sts",
            Self::Sls => "Sls",
            Self::SlsProjects => "SLS",
            Self::Ascm => "ascm",
        }
    }

    /// As it is called in `endpoints` of the configuration.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Vpc => "vpc",
            Self::Ecs => "ecs",
            Self::Slb => "slb",
            Self::Nlb => "nlb",
            Self::Rds => "rds",
            Self::Cms => "cms",
            Self::Sts => "sts",
            Self::Sls => "sls",
            Self::SlsProjects => "slsProjects",
            Self::Ascm => "ascm",
        }
    }

    /// The version of its API.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Vpc => "2016-04-28",
            Self::Ecs => "2014-05-26",
            Self::Slb => "2014-05-15",
            Self::Nlb => "2022-04-30",
            Self::Rds => "2014-08-15",
            Self::Cms => "2019-01-01",
            Self::Sts => "2015-04-01",
            Self::Sls => "2020-12-30",
            Self::SlsProjects => "2020-03-31",
            Self::Ascm => "2019-05-10",
        }
    }

    /// What its Actions begin with in a RAM policy.
    pub const fn ram(self) -> &'static str {
        match self {
            Self::Sls | Self::SlsProjects => "log",
            product => product.key(),
        }
    }
}
