//! What is wrong with a declaration, said so that the one who wrote it can mend it.

use std::fmt;

/// Condition reasons of problems. Each is also an event reason and a metric label.
pub mod reason {
    /// A property is unknown, missing, of the wrong type, or makes no sense.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// An Environment says something that makes no sense.
    pub const INVALID_ENVIRONMENT: &str = "InvalidEnvironment";
    /// There is no such Environment, or none is the default.
    pub const ENVIRONMENT_NOT_FOUND: &str = "EnvironmentNotFound";
    /// The Environment does not admit the namespace, or the kind, or what is asked of it.
    pub const NOT_ALLOWED: &str = "NotAllowed";
    /// The namespace has as much as it may have.
    pub const LIMIT_EXCEEDED: &str = "LimitExceeded";
    /// What is referred to is not declared.
    pub const TARGET_NOT_FOUND: &str = "TargetNotFound";
    /// The Environment names no provider for the kind.
    pub const NO_PROVIDER: &str = "NoProvider";
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The condition reason.
    pub reason: &'static str,
    /// The component it is in.
    pub component: Option<Box<str>>,
    /// The name of the trait it is in.
    pub trait_name: Option<Box<str>>,
    /// The field, as a path: `listeners[0].port`. Empty if it is about the whole.
    pub field: String,
    /// The value that is wrong.
    pub value: Option<Box<str>>,
    /// What is wrong with it, and the fix.
    pub message: String,
}

impl Problem {
    /// A problem of the whole.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            component: None,
            trait_name: None,
            field: String::new(),
            value: None,
            message: message.into(),
        }
    }

    /// Names the field.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// Names the value.
    #[must_use]
    pub fn value(mut self, value: impl fmt::Display) -> Self {
        self.value = Some(value.to_string().into());
        self
    }

    /// Names the component and the trait, unless it names one already.
    #[must_use]
    pub fn within(mut self, component: &str, trait_name: &str) -> Self {
        self.component.get_or_insert_with(|| component.into());
        self.trait_name.get_or_insert_with(|| trait_name.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.component, &self.trait_name) {
            (Some(component), Some(trait_name)) => write!(f, "component `{component}`, trait `{trait_name}`: ")?,
            (Some(component), None) => write!(f, "component `{component}`: ")?,
            _ => {}
        }
        match (self.field.as_str(), &self.value) {
            ("", None) => {}
            ("", Some(value)) => write!(f, "`{value}`: ")?,
            (field, None) => write!(f, "{field}: ")?,
            (field, Some(value)) => write!(f, "{field}: `{value}`: ")?,
        }
        f.write_str(&self.message)
    }
}

/// ` Did you mean `X`?` if one of the known words is close, else nothing.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, known).map_or_else(String::new, |close| format!("; did you mean `{close}`?"))
}

/// The known word that is a slip of the finger away.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_ascii_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= 2.min(candidate.len() / 3 + 1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// `a, b, c`, or `nothing`.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_where_and_what() {
        let problem = Problem::new(reason::INVALID_SPEC, "unknown property")
            .field("storag")
            .value("20Gi")
            .within("web", "rds");
        assert_eq!(
            problem.to_string(),
            "component `web`, trait `rds`: storag: `20Gi`: unknown property"
        );
        assert_eq!(problem.clone().within("x", "y"), problem);
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_nothing_else() {
        let known = ["highAvailability", "size", "storage", "engine"];
        assert_eq!(closest("highAvailabilty", known), Some("highAvailability"));
        assert_eq!(closest("Storage", known), Some("storage"));
        assert_eq!(closest("colour", known), None);
        assert_eq!(closest("x", known), None);
    }
}
