//! The only way in which a statement is made.
//!
//! A [`Sql`] consists of fragments that stand in the source of this crate, and of names and values that are quoted
//! here. sqlx takes no other text: whoever would go around this module needs its `AssertSqlSafe`, which a test finds.

use mooring_provider::{Error, ErrorKind, Result};
use sqlx::{AssertSqlSafe, RawSql};

/// How a server quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MariaDB and MySQL, with backslash escapes in force, as [`super::mysql`] sets them.
    Mysql,
}

/// The name of something on a server: any text without control characters that is not empty and not too long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ident(String);

/// The longest name PostgreSQL takes, in bytes; longer ones are cut there, silently. MySQL takes 64 characters.
const LONGEST: usize = 63;

impl Ident {
    pub(crate) fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) || text.ends_with(' ') {
            let message = format!("`{}` is no name that every database server takes", text.escape_debug());
            return Err(Error::new(ErrorKind::InvalidSpec, "rds.name", message));
        }
        Ok(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of something that belongs to this.
    pub(crate) fn with(&self, suffix: &'static str) -> Result<Self> {
        Self::new([self.as_str(), suffix].concat())
    }
}

/// One statement, or several that a server takes at once.
pub(crate) struct Sql {
    dialect: Dialect,
    text: String,
}

impl Sql {
    pub(crate) fn new(dialect: Dialect, text: &'static str) -> Self {
        Self {
            dialect,
            text: text.to_owned(),
        }
    }

    /// Adds a fragment of this source.
    pub(crate) fn text(mut self, text: &'static str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Adds a name.
    pub(crate) fn ident(mut self, ident: &Ident) -> Self {
        let quote = match self.dialect {
            Dialect::Postgres => '"',
            Dialect::Mysql => '`',
        };
        self.text.push(quote);
        for c in ident.0.chars() {
            if c == quote {
                self.text.push(c);
            }
            self.text.push(c);
        }
        self.text.push(quote);
        self
    }

    /// Adds names, separated by commas. An empty list makes no statement: ask before.
    pub(crate) fn idents<'a>(mut self, idents: impl IntoIterator<Item = &'a Ident>) -> Self {
        for (at, ident) in idents.into_iter().enumerate() {
            self = if at == 0 { self } else { self.text(", ") }.ident(ident);
        }
        self
    }

    /// Adds the name of a database where a GRANT takes a pattern: `_` and `%` would stand for other characters.
    pub(crate) fn pattern(self, ident: &Ident) -> Self {
        let mut escaped = String::with_capacity(ident.0.len() + 4);
        for c in ident.0.chars() {
            if matches!(c, '_' | '%' | '\\') {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        self.ident(&Ident(escaped))
    }

    /// Adds a text value. `\0` cannot be part of one; it is left out, which PostgreSQL would refuse and no secret has.
    pub(crate) fn literal(mut self, value: &str) -> Self {
        // In PostgreSQL `E''` means the same whatever `standard_conforming_strings` says.
        self.text.push_str(match self.dialect {
            Dialect::Postgres => "E'",
            Dialect::Mysql => "'",
        });
        for c in value.chars().filter(|c| *c != '\0') {
            if matches!(c, '\'' | '\\') {
                self.text.push(c);
            }
            self.text.push(c);
        }
        self.text.push('\'');
        self
    }

    /// Adds text values, separated by commas.
    pub(crate) fn literals<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        for (at, value) in values.into_iter().enumerate() {
            self = if at == 0 { self } else { self.text(", ") }.literal(value);
        }
        self
    }

    /// Adds a number.
    pub(crate) fn number(mut self, number: u64) -> Self {
        self.text.push_str(&number.to_string());
        self
    }

    /// Adds another piece that was made so.
    pub(crate) fn then(mut self, other: Self) -> Self {
        self.text.push_str(&other.text);
        self
    }

    /// For sqlx. This is the one place where a text that was put together is said to be safe.
    pub(crate) fn query(self) -> RawSql {
        sqlx::raw_sql(AssertSqlSafe(self.text))
    }

    /// As it would be sent.
    #[cfg(test)]
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests;
