//! What becomes of a resource when its declaration goes.

use std::time::Duration;

use mooring_provider::{Capability, ErrorKind, Kind, Span, spec::Scheme};

use crate::{
    api::{Class, Settings, properties::DeletionPolicy},
    engine::problem::{Problem, reason},
};

/// What becomes of a resource when its declaration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionPlan {
    /// The policy.
    pub policy: DeletionPolicy,
    /// How long a recycled one is kept.
    pub after: Span,
    /// Whether a last backup is made of a recycled one.
    pub final_backup: bool,
}

/// Whether an adapter can do what this policy says.
pub fn can_be_kept(policy: DeletionPolicy, capability: &Capability) -> Result<(), Problem> {
    if policy != DeletionPolicy::Snapshot || capability.backs_up {
        return Ok(());
    }
    let message = "the provider has no place for a last backup; use Delete or Retain, or ask an SRE for one";
    Err(Problem::new(ErrorKind::Unsupported.reason(), message)
        .field("deletionPolicy")
        .value("Snapshot"))
}

const DAY: u64 = 86_400;

/// What becomes of a resource when its declaration goes: the default of the class, what the environment says, and the
/// trait's word if it is stricter. What exists already and is not ours is always left.
pub fn deletion(
    class: Class,
    settings: &Settings,
    kind: Kind,
    scheme: Option<Scheme>,
    existing: bool,
    wanted: Option<DeletionPolicy>,
) -> Result<DeletionPlan, Problem> {
    let (policy, after, backup) = match (kind, scheme) {
        (Kind::Rds, _) => (DeletionPolicy::Recycle, 7 * DAY, true),
        (Kind::Log, _) => (DeletionPolicy::Recycle, 30 * DAY, false),
        (Kind::Slb, Some(Scheme::Internet)) => (DeletionPolicy::Recycle, DAY, false),
        _ => (DeletionPolicy::Delete, DAY, false),
    };
    let policy = if class == Class::Production {
        policy
    } else {
        DeletionPolicy::Delete
    };
    let said = settings.deletion.get(kind);
    let policy = said.and_then(|said| said.policy).unwrap_or(policy);
    let policy = match wanted {
        Some(wanted) if wanted < policy => {
            return Err(Problem::new(
                reason::NOT_ALLOWED,
                format!("this environment says {policy:?} for {kind}, and a trait may only be stricter; remove it"),
            )
            .field("deletionPolicy")
            .value(format!("{wanted:?}")));
        }
        wanted => wanted.unwrap_or(policy),
    };
    let snapshot = policy == DeletionPolicy::Snapshot;
    if snapshot && kind != Kind::Rds {
        let message = format!("only a database can be backed up, and this is a {kind}; use Delete, Recycle or Retain");
        return Err(Problem::new(reason::INVALID_SPEC, message)
            .field("deletionPolicy")
            .value("Snapshot"));
    }
    let after = said
        .and_then(|said| said.after)
        .unwrap_or(Span::new(Duration::from_secs(after)));
    Ok(DeletionPlan {
        policy: if existing { DeletionPolicy::Retain } else { policy },
        // Nothing but its backup is kept.
        after: if snapshot { Span::new(Duration::ZERO) } else { after },
        final_backup: snapshot || said.and_then(|said| said.final_backup).unwrap_or(backup),
    })
}

#[cfg(test)]
mod tests {
    use DeletionPolicy::{Delete, Recycle, Retain, Snapshot};

    use super::*;
    use crate::api::{Deletion, PerKind};

    #[test]
    fn a_snapshot_is_of_a_database_and_where_there_are_backups() {
        let of = |kind, wanted| {
            deletion(
                Class::Development,
                &Settings::default(),
                kind,
                None,
                false,
                Some(wanted),
            )
        };
        let plan = of(Kind::Rds, Snapshot).expect("stricter than Delete");
        assert_eq!(
            (plan.policy, plan.after, plan.final_backup),
            (Snapshot, Span::new(Duration::ZERO), true)
        );
        let error = of(Kind::Slb, Snapshot).expect_err("it has no data");
        assert!(error.message.contains("only a database"), "{error}");
        let able = |backs_up| Capability {
            backs_up,
            ..Capability::default()
        };
        can_be_kept(plan.policy, &able(true)).expect("it can");
        assert_eq!(
            can_be_kept(plan.policy, &able(false)).expect_err("it cannot").field,
            "deletionPolicy"
        );
        can_be_kept(Delete, &able(false)).expect("nothing is asked");
        let production = deletion(
            Class::Production,
            &Settings::default(),
            Kind::Rds,
            None,
            false,
            Some(Snapshot),
        );
        assert_eq!(production.expect_err("Recycle is stricter").field, "deletionPolicy");
    }

    #[test]
    fn the_class_decides_the_environment_changes_and_a_trait_is_only_stricter() {
        let quiet = Settings::default();
        let keeps = Settings {
            deletion: PerKind {
                rds: Some(Deletion {
                    policy: Some(Recycle),
                    after: "14d".parse().ok(),
                    final_backup: None,
                }),
                ..PerKind::default()
            },
            ..Settings::default()
        };
        let internet = Some(Scheme::Internet);
        let cases = [
            (
                Class::Development,
                &quiet,
                Kind::Rds,
                None,
                false,
                None,
                Ok((Delete, "7d")),
            ),
            (
                Class::Development,
                &quiet,
                Kind::Rds,
                None,
                false,
                Some(Recycle),
                Ok((Recycle, "7d")),
            ),
            (
                Class::Development,
                &keeps,
                Kind::Rds,
                None,
                false,
                None,
                Ok((Recycle, "14d")),
            ),
            (
                Class::Development,
                &keeps,
                Kind::Rds,
                None,
                false,
                Some(Delete),
                Err("deletionPolicy"),
            ),
            (
                Class::Production,
                &quiet,
                Kind::Rds,
                None,
                false,
                None,
                Ok((Recycle, "7d")),
            ),
            (
                Class::Production,
                &quiet,
                Kind::Rds,
                None,
                false,
                Some(Retain),
                Ok((Retain, "7d")),
            ),
            (
                Class::Production,
                &quiet,
                Kind::Rds,
                None,
                true,
                None,
                Ok((Retain, "7d")),
            ),
            (
                Class::Production,
                &quiet,
                Kind::Log,
                None,
                false,
                None,
                Ok((Recycle, "30d")),
            ),
            (
                Class::Production,
                &quiet,
                Kind::Log,
                None,
                false,
                Some(Delete),
                Err("deletionPolicy"),
            ),
            (
                Class::Production,
                &quiet,
                Kind::Slb,
                internet,
                false,
                None,
                Ok((Recycle, "1d")),
            ),
            (
                Class::Production,
                &quiet,
                Kind::Slb,
                Some(Scheme::Internal),
                false,
                None,
                Ok((Delete, "1d")),
            ),
            (
                Class::Production,
                &quiet,
                Kind::Vpc,
                None,
                false,
                None,
                Ok((Delete, "1d")),
            ),
        ];
        for (class, settings, kind, scheme, existing, wanted, expected) in cases {
            let plan = deletion(class, settings, kind, scheme, existing, wanted)
                .map(|plan| (plan.policy, plan.after.to_string()))
                .map_err(|problem| problem.field);
            let expected = expected
                .map(|(policy, after)| (policy, after.to_owned()))
                .map_err(str::to_owned);
            assert_eq!(plan, expected, "{class:?} {kind} {scheme:?} {wanted:?}");
        }
    }
}
