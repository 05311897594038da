//! Progress while it works: bars on a terminal, plain lines otherwise. Always on stderr.

use std::{
    collections::HashMap,
    io::IsTerminal,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mooring_provider::Key;

use crate::local::drive::{Progress, Stage};

/// Tells progress.
pub(super) enum Teller {
    /// A bar per resource.
    Bars(MultiProgress, Mutex<HashMap<Key, ProgressBar>>),
    /// A line per event.
    Lines,
}

impl Teller {
    pub(super) fn new() -> Self {
        if std::io::stderr().is_terminal() {
            Self::Bars(MultiProgress::new(), Mutex::default())
        } else {
            Self::Lines
        }
    }

    /// One event.
    pub(super) fn tell(&self, progress: Progress) {
        let Progress {
            key,
            kind,
            stage,
            reason,
            message,
        } = progress;
        let name = format!("{}/{}", key.component, key.name);
        match self {
            Self::Lines => {
                let message = if message.is_empty() {
                    String::new()
                } else {
                    format!(": {message}")
                };
                eprintln!("{name} ({kind}): {reason}{message}");
            }
            Self::Bars(all, bars) => {
                let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
                let bar = bars.entry(key).or_insert_with(|| {
                    let bar = all.add(ProgressBar::new_spinner());
                    let style = ProgressStyle::with_template("{spinner} {prefix:24} {elapsed:>4} {wide_msg}");
                    bar.set_style(style.expect("the template is right"));
                    bar.set_prefix(format!("{name} ({kind})"));
                    bar.enable_steady_tick(Duration::from_millis(100));
                    bar
                });
                let text = if message.is_empty() {
                    reason.to_owned()
                } else {
                    format!("{reason}: {message}")
                };
                match stage {
                    Stage::Waiting | Stage::Working => bar.set_message(text),
                    Stage::Settled | Stage::Stuck => bar.finish_with_message(text),
                }
            }
        }
    }

    /// Something beside.
    pub(super) fn note(&self, message: &str) {
        match self {
            Self::Bars(all, _) => all.suspend(|| eprintln!("{message}")),
            Self::Lines => eprintln!("{message}"),
        }
    }
}
