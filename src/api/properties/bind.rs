use kube::KubeSchema;
use mooring_provider::Access;
use serde::{Deserialize, Serialize};

use super::Consume;

/// The use of a resource that another component or application declares. Has no external resource of its own; where
/// the target has accounts, it has an account of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bind {
    /// What to use: `component/trait` of this application, or `namespace/resource`, whose owner names us in
    /// `shareWith`.
    #[schemars(
        length(min = 3, max = 127),
        regex(pattern = r"^[a-z0-9][-a-z0-9]*/[a-z0-9][-a-z0-9]*$")
    )]
    #[x_kube(validation = (
        "self == oldSelf",
        "`to` cannot be changed: declare a second bind under another `name` and remove this one",
    ))]
    pub to: String,
    /// What the component may do in a database. By default readonly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// How the component uses it.
    #[serde(flatten)]
    pub consume: Consume,
}
