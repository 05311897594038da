//! What a trait emits, patches and says, in CUE.

use mooring_provider::Kind;

use crate::{api::Declares, engine::binding::env_keys};

/// The whole template. `parameter` is the definition of its parameters.
pub(super) fn template(declares: Declares, parameter: &str) -> String {
    format!(
        "import \"strings\"\n\n{}{}\nparameter: #Parameter\n{parameter}",
        of(declares, include_str!("trait.cue")),
        variables(declares),
    )
}

/// Healthy is what was bound once, and neither lost since nor going.
pub(super) fn health_policy(declares: Declares) -> String {
    of(declares, include_str!("health.cue"))
}

/// What `Ready` says, and what is wrong beside it.
pub(super) fn custom_status(declares: Declares) -> String {
    of(declares, include_str!("message.cue"))
}

fn of(declares: Declares, text: &str) -> String {
    text.replace("@trait@", declares.as_str())
}

/// What differs by kind of the variables that [`env_of`](crate::operator::binding::env_of) answers: their keys in the
/// Secret, whether they are shown unless told otherwise, and whether all of that can be known here.
fn variables(declares: Declares) -> String {
    let (keys, shown, patched) = match declares {
        Declares::Resource(kind @ Kind::Log) => (
            // Credentials are only there for who pushes.
            format!(
                "[for key in {} if _shown || key != \"username\" && key != \"password\" {{key}}]",
                keys(kind)
            ),
            "[if parameter.push != _|_ {parameter.push}, false][0]",
            "true",
        ),
        Declares::Resource(kind) => (keys(kind), if kind == Kind::Rds { "true" } else { "false" }, "true"),
        Declares::Bind => (
            format!(
                "[\n\tfor key in {} if parameter.to =~ \"[/-]rds$\" {{key}},\n\tfor key in {} if parameter.to =~ \
                 \"/slb$\" {{key}},\n]",
                keys(Kind::Rds),
                keys(Kind::Slb),
            ),
            "true",
            // Of another name the kind is not known.
            "len(_keys) > 0",
        ),
    };
    format!("_keys: {keys}\n_shown: {shown}\n_patched: {patched}\n")
}

fn keys(kind: Kind) -> String {
    let keys: Vec<_> = env_keys(kind).iter().map(|key| format!("{key:?}")).collect();
    format!("[{}]", keys.join(", "))
}
