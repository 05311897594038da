//! What becomes of a resource when its declaration goes.

use std::time::Duration;

use mooring_provider::{Kind, Span, spec::Scheme};

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
    Ok(DeletionPlan {
        policy: if existing { DeletionPolicy::Retain } else { policy },
        after: said
            .and_then(|said| said.after)
            .unwrap_or(Span::new(Duration::from_secs(after))),
        final_backup: said.and_then(|said| said.final_backup).unwrap_or(backup),
    })
}

#[cfg(test)]
mod tests {
    use DeletionPolicy::{Delete, Recycle, Retain};

    use super::*;
    use crate::api::{Deletion, PerKind};

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
