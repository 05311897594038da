//! What every provider that speaks HTTP needs.
//!
//! [`Client`] sends one request and bounds everything about it: time, size, redirects (none are followed), and what
//! of it may ever be shown. [`retry`] repeats a call that is declared idempotent. [`Cached`] keeps a token fresh
//! under concurrency. [`Redactor`] takes secrets out of what a server said.
//!
//! What it deliberately does not know: signatures, error codes, paging of any one API, and how many calls an account
//! takes; the engine's budget decides that, so a throttled call is answered to it and not repeated here.

mod cached;
mod client;
mod config;
mod redact;
mod retry;

pub use cached::Cached;
pub use client::{Answer, Client, Request, Transport};
pub use config::HttpConfig;
pub use redact::Redactor;
pub use reqwest::{Method, StatusCode, header};
pub use retry::retry;
pub use url::Url;
