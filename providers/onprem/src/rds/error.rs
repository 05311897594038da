//! What a server's refusal means to us.

use mooring_provider::{Error, ErrorKind};
use mooring_provider_http::Redactor;
use sqlx::error::DatabaseError;

use super::sql::Dialect;

/// The error of an answer that nobody expected.
pub(crate) fn unexpected(operation: &'static str, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unexpected, operation, message)
}

/// The error of a call at a server. What the server said is passed on without secrets: some quote the statement.
pub(crate) fn failed(
    dialect: Dialect,
    operation: &'static str,
    server: &str,
    redactor: &Redactor,
    error: &sqlx::Error,
) -> Error {
    match error {
        sqlx::Error::Database(said) => {
            let (kind, code) = match dialect {
                Dialect::Postgres => postgres(&**said),
                Dialect::Mysql => mysql(&**said),
            };
            let detail = said
                .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                .and_then(sqlx::postgres::PgDatabaseError::detail);
            let text = [said.message(), detail.unwrap_or_default()].join(" ");
            Error::new(kind, operation, format!("{server}: {}", redactor.message(&text))).with_code(code)
        }
        // Neither is about the answer of a call: there was no connection to send it on.
        sqlx::Error::Io(cause) if is_certificate(cause) => refused(operation, server, redactor, &cause.to_string()),
        sqlx::Error::Tls(cause) => refused(operation, server, redactor, &cause.to_string()),
        sqlx::Error::Configuration(cause) => {
            let text = redactor.message(&cause.to_string());
            Error::new(ErrorKind::InvalidSpec, operation, format!("{server}: {text}"))
        }
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) => {
            unexpected(operation, format!("{server}: {}", redactor.message(&error.to_string())))
        }
        error => {
            let text = redactor.message(&error.to_string());
            Error::new(ErrorKind::Unavailable, operation, format!("{server}: {text}"))
        }
    }
}

fn refused(operation: &'static str, server: &str, redactor: &Redactor, cause: &str) -> Error {
    let message = format!(
        "{server}: the connection cannot be encrypted, or its certificate is not of the authority in `caBundle` and \
         for this host: {}",
        redactor.message(cause)
    );
    Error::new(ErrorKind::Unavailable, operation, message)
}

fn is_certificate(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData
}

/// By the class of the SQLSTATE, and by the state where a class is too wide.
fn postgres(said: &dyn DatabaseError) -> (ErrorKind, String) {
    let code = said.code().unwrap_or_default().into_owned();
    let kind = match code.as_str() {
        "28000" | "28P01" => ErrorKind::Unauthenticated,
        "42501" => ErrorKind::PermissionDenied,
        "53100" | "53200" | "54000" => ErrorKind::QuotaExceeded,
        "53300" => ErrorKind::Throttled,
        // It is there already, in use, or something still depends on it.
        "42P04" | "42710" | "23505" | "55006" | "55P03" | "2BP01" | "40P01" | "40001" | "25006" | "55000" => {
            ErrorKind::Busy
        }
        // A statement that took too long, and a server that goes or comes.
        "57014" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => ErrorKind::Unavailable,
        "3D000" => ErrorKind::Busy,
        code if code.starts_with("08") => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    };
    (kind, code)
}

/// By MariaDB's and MySQL's own number.
fn mysql(said: &dyn DatabaseError) -> (ErrorKind, String) {
    let number = number(said);
    let kind = match number {
        1045 | 1698 | 1862 | 1820 | 4151 => ErrorKind::Unauthenticated,
        1044 | 1142 | 1143 | 1227 | 1410 | 1370 => ErrorKind::PermissionDenied,
        1021 | 1114 | 3 => ErrorKind::QuotaExceeded,
        1040 | 1203 | 1226 => ErrorKind::Throttled,
        1007 | 1008 | 1396 | 1205 | 1213 | 1062 | 1290 | 1836 | 1792 => ErrorKind::Busy,
        1053 | 1077 | 1079 | 1080 | 1152 | 1158..=1161 | 1184 | 1317 | 1969 | 3024 | 1927 | 1129 => {
            ErrorKind::Unavailable
        }
        _ => ErrorKind::Unexpected,
    };
    (kind, number.to_string())
}

/// The number of a MariaDB or MySQL error.
pub(crate) fn number(said: &dyn DatabaseError) -> u16 {
    said.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
        .map_or(0, sqlx::mysql::MySqlDatabaseError::number)
}

/// Whether the error carries this code: an SQLSTATE, or a number of MariaDB and MySQL.
pub(crate) fn is(error: &Error, codes: &[&str]) -> bool {
    error.code().is_some_and(|code| codes.contains(&code))
}

/// The name is held by somebody else.
pub(crate) fn taken(operation: &'static str, server: &str, what: &str, name: &str) -> Error {
    let message = format!(
        "{server}: there is a {what} `{name}` that is not ours; it is left alone. Rename or remove it on the server"
    );
    Error::new(ErrorKind::NotOwned, operation, message)
}
