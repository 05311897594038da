//! From what a provider says of a resource to what its consumers get: Secret entries and env variables. No I/O.

use std::collections::BTreeMap;

use mooring_provider::{Account, Bindings, Kind, Value};
use secrecy::{ExposeSecret, SecretString};

/// What a consumer gets.
#[derive(Debug, Clone, Default)]
pub struct Binding {
    /// The entries of the Secret, by key, in the servicebinding.io well-known layout; an env template's value stands
    /// under the name of its variable.
    pub entries: Bindings,
    /// The env variables: their name, and the key of the entry they show.
    pub env: BTreeMap<String, String>,
}

/// A template that cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("env.{variable}: `{{{placeholder}}}` is nothing this binding has; it has {known}")]
pub struct TemplateError {
    variable: String,
    placeholder: String,
    known: String,
}

/// The keys of a kind that are shown as `<AS>_<KEY>`.
pub const fn env_keys(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Rds => &["host", "port", "username", "password", "database", "uri"],
        Kind::Slb => &["host", "port", "uri"],
        Kind::Log => &["endpoint", "project", "store", "username", "password"],
        _ => &[],
    }
}

/// The env variables of a binding, known before anything is provisioned: its variable and the Secret's key.
pub fn env_names(kind: Kind, prefix: Option<&str>, templates: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let prefixed = prefix.into_iter().flat_map(|prefix| {
        let name = move |key: &str| format!("{prefix}_{}", key.replace(['-', '.'], "_").to_ascii_uppercase());
        env_keys(kind).iter().map(move |key| (name(key), (*key).to_owned()))
    });
    prefixed
        .chain(templates.keys().map(|name| (name.clone(), name.clone())))
        .collect()
}

/// Composes what a consumer gets of the provider's entries, its account and its templates.
pub fn compose(
    kind: Kind,
    entries: &Bindings,
    account: Option<&Account>,
    prefix: Option<&str>,
    templates: &BTreeMap<String, String>,
) -> Result<Binding, TemplateError> {
    let mut entries = entries.clone();
    if let Some(account) = account {
        entries.insert("username".into(), account.name.clone().into());
        entries.insert("password".into(), account.password.clone().into());
        if let Some(uri) = uri(&entries, account) {
            entries.insert("uri".into(), uri.into());
        }
    }
    let filled = templates
        .iter()
        .map(|(variable, template)| Ok((variable.clone(), fill(variable, template, &entries)?)))
        .collect::<Result<Vec<_>, _>>()?;
    entries.extend(filled);
    let env = env_names(kind, prefix, templates)
        .into_iter()
        .filter(|(_, key)| entries.contains_key(key))
        .collect();
    Ok(Binding { entries, env })
}

fn uri(entries: &Bindings, account: &Account) -> Option<SecretString> {
    let plain = |key: &str| entries.get(key).and_then(Value::plain);
    let (scheme, host, port, database) = (plain("type")?, plain("host")?, plain("port")?, plain("database")?);
    let (user, password) = (encoded(&account.name), encoded(account.password.expose_secret()));
    Some(format!("{scheme}://{user}:{password}@{host}:{port}/{}", encoded(database)).into())
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte as char);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn fill(variable: &str, template: &str, entries: &Bindings) -> Result<Value, TemplateError> {
    let (mut filled, mut secret, mut rest) = (String::new(), false, template);
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (placeholder, after) = after.split_once('}').unwrap_or((after, ""));
        let value = entries.get(placeholder).ok_or_else(|| TemplateError {
            variable: variable.to_owned(),
            placeholder: placeholder.to_owned(),
            known: entries.keys().cloned().collect::<Vec<_>>().join(", "),
        })?;
        secret |= value.plain().is_none();
        filled.push_str(value.expose());
        rest = after;
    }
    filled.push_str(rest);
    Ok(if secret {
        SecretString::from(filled).into()
    } else {
        filled.into()
    })
}

#[cfg(test)]
mod tests {
    use mooring_provider::Access;

    use super::*;

    fn entries() -> Bindings {
        [
            ("type", "mysql"),
            ("provider", "mock"),
            ("host", "db.invalid"),
            ("port", "3306"),
            ("database", "shop"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect()
    }

    fn account() -> Account {
        Account {
            name: "shop".into(),
            access: Access::Owner,
            password: "p/w:é".to_owned().into(),
        }
    }

    #[test]
    fn a_database_is_bound_in_the_well_known_layout() {
        let templates = [(
            "JDBC_URL".to_owned(),
            "jdbc:mysql://{host}:{port}/{database}".to_owned(),
        )]
        .into();
        let binding = compose(Kind::Rds, &entries(), Some(&account()), Some("DB"), &templates).expect("it composes");
        assert_eq!(
            binding.entries["uri"].expose(),
            "mysql://shop:p%2Fw%3A%C3%A9@db.invalid:3306/shop"
        );
        assert_eq!(
            binding.entries["JDBC_URL"].plain(),
            Some("jdbc:mysql://db.invalid:3306/shop")
        );
        let names: Vec<_> = binding.env.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "DB_DATABASE",
                "DB_HOST",
                "DB_PASSWORD",
                "DB_PORT",
                "DB_URI",
                "DB_USERNAME",
                "JDBC_URL"
            ]
        );
        assert!(!format!("{binding:?}").contains("p/w"), "the password is not shown");
    }

    #[test]
    fn a_template_is_as_secret_as_what_it_holds_and_names_what_it_lacks() {
        let with = |template: &str| {
            let templates = [("X".to_owned(), template.to_owned())].into();
            compose(Kind::Rds, &entries(), Some(&account()), None, &templates)
        };
        assert!(with("{password}").expect("known").entries["X"].plain().is_none());
        let error = with("{hots}").expect_err("unknown").to_string();
        assert!(error.contains("env.X: `{hots}`") && error.contains("host"), "{error}");
    }
}
