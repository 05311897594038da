//! Who may have what.

use std::collections::BTreeMap;

use mooring_provider::{Bytes, Kind};

use crate::{
    api::{EnvironmentSpec, Settings, names},
    engine::problem::{Problem, listed, reason},
};

/// What a namespace has of a kind already, apart from the resource that is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many.
    pub count: u32,
    /// How many bytes of storage, all together.
    pub storage: u64,
}

/// Whether an environment admits a namespace, by its labels, and a kind.
pub fn admit(
    environment: &str,
    spec: &EnvironmentSpec,
    namespace: &str,
    labels: &BTreeMap<String, String>,
    kind: Kind,
) -> Result<(), Problem> {
    let refused = |message: String| Err(Problem::new(reason::NOT_ALLOWED, message));
    if !spec.admits(labels) {
        return refused(match &spec.allowed_namespaces {
            None => format!(
                "Environment `{environment}` admits no namespace: it has no `allowedNamespaces`; an SRE may set it \
                 (`{{}}` admits all)"
            ),
            Some(_) => format!(
                "Environment `{environment}` does not admit namespace `{namespace}`: its labels do not match \
                 `allowedNamespaces`; ask an SRE, or choose another environment with the label `{}`",
                names::ENVIRONMENT
            ),
        });
    }
    match &spec.allowed_kinds {
        Some(kinds) if !kinds.contains(&kind) => refused(format!(
            "Environment `{environment}` does not admit {kind}; it admits {}",
            listed(kinds.iter().map(|kind| kind.as_str()))
        )),
        _ => Ok(()),
    }
}

/// Whether a namespace, by its labels, may use what exists already under this id. What nobody listed is refused: the
/// account is the environment's, and an id in it says nothing of whose that is.
pub fn admit_existing(
    environment: &str,
    settings: &Settings,
    namespace: &str,
    labels: &BTreeMap<String, String>,
    kind: Kind,
    id: &str,
) -> Result<(), Problem> {
    let listed = settings.existing.get(kind);
    if listed.is_some_and(|listed| listed.iter().any(|entry| entry.admits(id, labels))) {
        return Ok(());
    }
    let message = format!(
        "Environment `{environment}` does not let namespace `{namespace}` use it; an SRE may list it there under \
         `existing.{kind}`, with `namespaces` that match"
    );
    Err(Problem::new(reason::NOT_ALLOWED, message)
        .field("existing.id")
        .value(id))
}

/// Whether one more resource of a kind, with so much storage, stays within what a namespace may have.
pub fn within_limits(
    environment: &str,
    settings: &Settings,
    namespace: &str,
    kind: Kind,
    usage: Usage,
    storage: Option<Bytes>,
) -> Result<(), Problem> {
    let Some(limit) = settings.limits.kinds.get(kind) else {
        return Ok(());
    };
    let refused = |message: String| Err(Problem::new(reason::LIMIT_EXCEEDED, message));
    if let Some(most) = limit.count
        && usage.count >= most
    {
        return refused(format!(
            "namespace `{namespace}` has {} {kind} already, Environment `{environment}` allows {most}; remove one, or \
             ask an SRE to raise `limits.{kind}.count`",
            usage.count
        ));
    }
    if let (Some(most), Some(wanted)) = (limit.storage, storage)
        && usage.storage.saturating_add(wanted.get()) > most.get()
    {
        let problem = format!(
            "namespace `{namespace}` has {} of storage in {kind} already, Environment `{environment}` allows {most} in \
             all; ask for less, or ask an SRE to raise `limits.{kind}.storage`",
            Bytes::new(usage.storage)
        );
        return Err(Problem::new(reason::LIMIT_EXCEEDED, problem)
            .field("storage")
            .value(wanted));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

    use super::*;
    use crate::api::{Admitted, Limit, Limits, PerKind};

    fn labels(stage: &str) -> BTreeMap<String, String> {
        [("stage".to_owned(), stage.to_owned())].into()
    }

    #[test]
    fn an_environment_admits_only_whom_it_names() {
        let selector = LabelSelector {
            match_labels: Some(labels("prod")),
            match_expressions: None,
        };
        let cases = [
            (None, None, labels("prod"), Some("no `allowedNamespaces`")),
            (Some(LabelSelector::default()), None, BTreeMap::new(), None),
            (Some(selector.clone()), None, labels("prod"), None),
            (
                Some(selector.clone()),
                None,
                labels("test"),
                Some("does not admit namespace `team-a`"),
            ),
            (
                Some(selector.clone()),
                None,
                BTreeMap::new(),
                Some("does not admit namespace `team-a`"),
            ),
            (
                Some(selector.clone()),
                Some(vec![Kind::Slb, Kind::Log]),
                labels("prod"),
                Some("admits slb, log"),
            ),
            (Some(selector), Some(vec![Kind::Rds]), labels("prod"), None),
        ];
        for (allowed_namespaces, allowed_kinds, labels, expected) in cases {
            let spec = EnvironmentSpec {
                allowed_namespaces,
                allowed_kinds,
                ..EnvironmentSpec::default()
            };
            match (admit("production", &spec, "team-a", &labels, Kind::Rds), expected) {
                (Ok(()), None) => {}
                (Err(problem), Some(part)) => assert!(problem.message.contains(part), "{problem}"),
                (result, expected) => panic!("{result:?}, expected {expected:?} for {spec:?}"),
            }
        }
    }

    #[test]
    fn what_exists_is_used_by_whom_it_is_listed_for() {
        let entry = |id: &str, stage: Option<&str>| Admitted {
            id: id.into(),
            namespaces: LabelSelector {
                match_labels: stage.map(labels),
                match_expressions: None,
            },
        };
        let settings = Settings {
            existing: PerKind {
                rds: Some(vec![entry("rm-1", Some("prod")), entry("rm-2", None)]),
                log: Some(vec![entry("*", Some("prod"))]),
                ..PerKind::default()
            },
            ..Settings::default()
        };
        let may = |kind, id, stage| admit_existing("production", &settings, "team-a", &labels(stage), kind, id);
        for (kind, id, stage) in [
            (Kind::Rds, "rm-1", "prod"),
            (Kind::Rds, "rm-2", "test"),
            (Kind::Log, "any", "prod"),
        ] {
            assert_eq!(may(kind, id, stage), Ok(()), "{kind} {id} {stage}");
        }
        for (kind, id, stage) in [
            (Kind::Rds, "rm-1", "test"),
            (Kind::Rds, "rm-3", "prod"),
            (Kind::Log, "any", "test"),
            // Nothing is listed of the kind.
            (Kind::Slb, "rm-1", "prod"),
        ] {
            let problem = may(kind, id, stage).expect_err("it is not listed");
            assert_eq!(
                (problem.reason, problem.field.as_str()),
                (reason::NOT_ALLOWED, "existing.id")
            );
            let text = problem.to_string();
            assert!(
                text.contains(id) && text.contains(&format!("existing.{kind}")) && text.contains("SRE"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_namespace_has_no_more_than_it_may() {
        let limit = Limit {
            count: Some(2),
            storage: Some(Bytes::gib(100)),
        };
        let limits = Limits {
            kinds: PerKind {
                rds: Some(limit),
                ..PerKind::default()
            },
            ..Limits::default()
        };
        let settings = Settings {
            limits,
            ..Settings::default()
        };
        let judge = |kind, count, gib, wanted| {
            let usage = Usage {
                count,
                storage: Bytes::gib(gib).get(),
            };
            within_limits("production", &settings, "team-a", kind, usage, wanted).map_err(|problem| problem.field)
        };
        assert_eq!(judge(Kind::Rds, 1, 80, Some(Bytes::gib(20))), Ok(()));
        assert_eq!(judge(Kind::Rds, 1, 80, Some(Bytes::gib(21))), Err("storage".into()));
        assert_eq!(judge(Kind::Rds, 2, 0, Some(Bytes::gib(1))), Err(String::new()));
        assert_eq!(judge(Kind::Slb, 99, 0, None), Ok(()));
    }
}
