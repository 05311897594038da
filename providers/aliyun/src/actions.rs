//! The Actions that are used, and what for: what a RAM policy has to allow.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::{log, monitor, product::Product, rds, slb, vpc};

/// What an Action is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// To look: always.
    Read,
    /// To create and to change.
    Create,
    /// To delete.
    Destroy,
    /// To create or change, and to delete.
    Both,
}

/// An Action and what it is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action {
    /// The product.
    pub product: Product,
    /// Its name.
    pub name: &'static str,
    /// What for.
    pub need: Need,
}

impl Action {
    /// As it stands in a RAM policy: `vpc:CreateVpc`.
    pub fn ram(&self) -> String {
        // These two are called otherwise there.
        let name = match self.name {
            "ApplyConfigToMachineGroup" => "ApplyConfigToGroup",
            "RemoveConfigFromMachineGroup" => "RemoveConfigFromGroup",
            name => name,
        };
        format!("{}:{name}", self.product.ram())
    }
}

/// One line of an adapter's table.
pub(crate) type Used = (Product, &'static str, Need);

/// The client's own. No policy has to allow the first; the others belong into the policy of keys that assume a role.
const CLIENT: &[Used] = &[
    (Product::Sts, "GetCallerIdentity", Need::Read),
    (Product::Sts, "AssumeRole", Need::Read),
    (Product::Sts, "AssumeRoleWithOIDC", Need::Read),
];

/// Every Action that is used on the public cloud, sorted.
pub fn actions() -> Vec<Action> {
    let mut all: Vec<_> = [
        CLIENT,
        log::ACTIONS,
        monitor::ACTIONS,
        rds::ACTIONS,
        slb::ACTIONS,
        vpc::ACTIONS,
    ]
    .concat()
    .into_iter()
    .map(|(product, name, need)| Action { product, name, need })
    .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The RAM policy that allows the Actions of these needs and nothing else. What keys may do to begin a session is not
/// in it: that is said of the role.
pub fn policy(needs: &[Need]) -> Json {
    let of = actions()
        .into_iter()
        .filter(|action| action.product != Product::Sts && needs.contains(&action.need));
    let names: BTreeSet<_> = of.map(|action| action.ram()).collect();
    json!({"Version": "1", "Statement": [{"Effect": "Allow", "Action": names, "Resource": "*"}]})
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::contract;

    /// All source of this crate, without the tables of Actions.
    fn source(folder: &Path) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(folder).expect("the source is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                all += &source(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("it can be read");
                let mut rest = text.as_str();
                while let Some((before, table)) = rest.split_once(": &[Used] = &[") {
                    all += before;
                    rest = table.split_once("];").map_or("", |(_, after)| after);
                }
                all += rest;
            }
        }
        all
    }

    #[test]
    fn the_contract_holds_what_is_used_and_nothing_else() {
        let used = actions();
        for product in Product::ALL {
            let of: BTreeSet<_> = used.iter().filter(|a| a.product == product).map(|a| a.name).collect();
            let contract: BTreeSet<_> = contract::of(product).collect();
            assert!(
                of.is_empty() || of == contract,
                "{product:?}: {:?}",
                of.symmetric_difference(&contract)
            );
        }
    }

    #[test]
    fn who_may_create_may_not_destroy() {
        let text = |needs: &[Need]| policy(needs).to_string();
        let create = text(&[Need::Read, Need::Create, Need::Both]);
        assert!(
            create.contains("vpc:CreateVpc") && create.contains("vpc:DescribeVpcs") && !create.contains("DeleteVpc")
        );
        let destroy = text(&[Need::Read, Need::Destroy, Need::Both]);
        assert!(destroy.contains("vpc:DeleteVpc") && !destroy.contains("CreateVpc") && !destroy.contains("sts:"));
    }

    #[test]
    fn every_action_of_the_tables_is_called() {
        let source = source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        for action in actions() {
            assert!(
                source.contains(&format!("\"{}\"", action.name)),
                "{} is not called",
                action.ram()
            );
        }
    }
}
