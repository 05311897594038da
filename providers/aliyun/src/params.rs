//! The parameters of a call.

use secrecy::{ExposeSecret, SecretString};

/// The parameters of a call, flat, as the API counts them: `Tag.1.Key`. What is secret is never shown.
#[derive(Clone, Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
    secrets: Vec<SecretString>,
}

impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

impl Params {
    /// No parameter.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a parameter; one of this name that was set before is replaced. A `bool` becomes `true` or `false`.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        let (name, value) = (name.into(), value.to_string());
        match self.pairs.iter_mut().find(|(given, _)| *given == name) {
            Some(pair) => pair.1 = value,
            None => self.pairs.push((name, value)),
        }
        self
    }

    /// Sets a parameter if there is a value.
    #[must_use]
    pub fn maybe(self, name: impl Into<String>, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Sets a parameter that is a JSON text to the API.
    #[must_use]
    pub fn json(self, name: impl Into<String>, value: &serde_json::Value) -> Self {
        self.set(name, value)
    }

    /// Sets a parameter whose value is taken out of whatever the server says.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, value: &SecretString) -> Self {
        self.secrets.push(value.clone());
        self.set(name, value.expose_secret())
    }

    /// Sets `NAME.1`, `NAME.2` and so on.
    #[must_use]
    pub fn list(self, name: &str, values: impl IntoIterator<Item = impl ToString>) -> Self {
        values.into_iter().enumerate().fold(self, |params, (n, value)| {
            params.set(format!("{name}.{}", n + 1), value)
        })
    }

    /// Sets the fields of the `n`th (from 1) member of a list: `NAME.n.FIELD`.
    #[must_use]
    pub fn member<V: ToString>(
        self,
        name: &str,
        n: usize,
        fields: impl IntoIterator<Item = (&'static str, V)>,
    ) -> Self {
        fields.into_iter().fold(self, |params, (field, value)| {
            params.set(format!("{name}.{n}.{field}"), value)
        })
    }

    /// Sets `Tag.n.Key` and `Tag.n.Value`.
    #[must_use]
    pub fn tags<K: ToString, V: ToString>(self, tags: impl IntoIterator<Item = (K, V)>) -> Self {
        tags.into_iter().enumerate().fold(self, |params, (n, (key, value))| {
            params
                .set(format!("Tag.{}.Key", n + 1), key)
                .set(format!("Tag.{}.Value", n + 1), value)
        })
    }

    /// The names and values in the order in which they were set.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// What must not be shown.
    pub(crate) fn secrets(&self) -> &[SecretString] {
        &self.secrets
    }
}
