//! The env file of a component: what its container would have in its environment.

use std::collections::BTreeMap;

use mooring_provider::Bindings;

use super::state::{Consumer, Login};
use crate::engine::binding;

/// The variables a use of a resource brings.
pub(super) fn variables(
    consumer: &Consumer,
    entries: &Bindings,
    login: Option<&Login>,
) -> Result<BTreeMap<String, String>, binding::TemplateError> {
    let account = login.map(|login| mooring_provider::Account {
        name: login.username.clone(),
        access: consumer.access,
        password: login.password.clone(),
    });
    let prefix = consumer.prefix.as_deref();
    let bound = binding::compose(consumer.kind, entries, account.as_ref(), prefix, &consumer.templates)?;
    if !consumer.inject {
        return Ok(BTreeMap::new());
    }
    let value = |key: &String| bound.entries.get(key).map(|value| value.expose().to_owned());
    Ok(bound
        .env
        .iter()
        .filter_map(|(name, key)| Some((name.clone(), value(key)?)))
        .collect())
}

/// The text of the file. A shell that sources it and a dotenv library read the same values; what needs no quotes has
/// none, for those that know none.
pub(super) fn text(variables: &BTreeMap<String, String>) -> String {
    variables
        .iter()
        .map(|(name, value)| format!("{name}={}\n", quoted(value)))
        .collect()
}

/// Reads back a file that [`text`] made.
pub(super) fn read(path: &std::path::Path) -> std::io::Result<BTreeMap<String, String>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        text => text?,
    };
    let mut variables = BTreeMap::new();
    let mut rest = text.as_str();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = unquoted(after);
        variables.insert(name.trim_start().to_owned(), value);
        rest = after;
    }
    Ok(variables)
}

/// The value at the beginning of the text, and what comes after it.
fn unquoted(text: &str) -> (String, &str) {
    if let Some((value, after)) = text.strip_prefix('\'').and_then(|text| text.split_once('\'')) {
        return (value.to_owned(), after);
    }
    let Some(text) = text.strip_prefix('"') else {
        let (value, after) = text.split_once('\n').unwrap_or((text, ""));
        return (value.to_owned(), after);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return (value, &text[at + 1..]),
            c => {
                escaped = false;
                value.push(c);
            }
        }
    }
    (value, "")
}

fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    if !value.contains('\'') {
        return format!("'{value}'");
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        if "\\\"$`".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_written() {
        let values = [
            "plain",
            "",
            "two words",
            "it's $HOME `id` \"x\" \\",
            "a\nb",
            "p#w;&|<>*?(){}[]~!",
        ];
        let variables: BTreeMap<_, _> = values
            .iter()
            .enumerate()
            .map(|(n, value)| (format!("V{n}"), (*value).to_owned()))
            .collect();
        for (name, value) in &variables {
            let script = format!("{}printf %s \"${name}\"", text(&variables));
            let output = std::process::Command::new("sh")
                .arg("-c")
                .arg(script)
                .output()
                .expect("a shell");
            assert_eq!(String::from_utf8_lossy(&output.stdout), *value);
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text(&variables)).expect("written");
        assert_eq!(read(file.path()).expect("read"), variables);
        assert_eq!(
            text(&[("A".to_owned(), "mysql://u:p@h:3306/d".to_owned())].into()),
            "A=mysql://u:p@h:3306/d\n"
        );
    }
}
