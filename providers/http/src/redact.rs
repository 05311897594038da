//! Taking secrets out of what a server said.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

/// The longest message of a server that is passed on.
const LONGEST: usize = 400;

/// What RFC 3986 lets stand.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What must not be shown. Some servers quote the request, password and all, in their error messages.
#[derive(Clone, Default)]
pub struct Redactor(Vec<SecretString>);

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor of {}", self.0.len())
    }
}

impl Redactor {
    /// Takes these out, as they are and percent-encoded. What is shorter than four characters is not taken for a
    /// secret.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let long = |secret: &&SecretString| secret.expose_secret().len() >= 4;
        Self(secrets.into_iter().filter(long).cloned().collect())
    }

    /// The message without them, in one line and of bounded length.
    pub fn message(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            let secret = secret.expose_secret();
            let once = utf8_percent_encode(secret, UNRESERVED).to_string();
            let twice = utf8_percent_encode(&once, UNRESERVED).to_string();
            for form in [secret, &once, &twice] {
                text = text.replace(form, "***");
            }
        }
        let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((end, _)) = line.char_indices().nth(LONGEST) {
            line.truncate(end);
            line.push('…');
        }
        line
    }
}
