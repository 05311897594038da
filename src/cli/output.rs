//! How answers are shown. What scripts read goes to stdout alone; everything else to stderr.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::args::Format;
use crate::engine::Entry;
use crate::local::{Checked, Listed, Plan, Up, Went};

/// A failure to write, most often because whoever read went away.
pub(super) type Written = io::Result<()>;

/// Something that can be shown.
pub(super) trait Answer {
    /// What scripts read.
    fn data(&self) -> &impl Serialize;
    /// What people read.
    fn text(&self) -> String;
}

/// Shows an answer.
pub(super) fn show(answer: &impl Answer, format: Format) -> Written {
    let mut out = io::stdout().lock();
    match format {
        Format::Table => writeln!(out, "{}", answer.text().trim_end()),
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, answer.data())?;
            writeln!(out)
        }
        Format::Yaml => {
            // Through JSON, so that both say the same in the same words.
            let json = serde_json::to_value(answer.data())?;
            let yaml = serde_saphyr::to_string(&json).map_err(io::Error::other)?;
            writeln!(out, "{}", yaml.trim_end())
        }
    }
}

fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    let text = table.to_string();
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".into())
}

impl Answer for Up {
    fn data(&self) -> &impl Serialize {
        self
    }

    fn text(&self) -> String {
        let rows = self.resources.iter().map(|row| {
            let ready = if row.ready { "yes" } else { "no" };
            let cells = [row.kind, &row.provider, ready].map(str::to_owned);
            let [kind, provider, ready] = cells;
            vec![
                row.name.clone(),
                kind,
                provider,
                ready,
                or_dash(row.endpoint.as_ref()),
                or_dash(row.external_id.as_ref()),
            ]
        });
        let mut text = table(&["NAME", "KIND", "PROVIDER", "READY", "ENDPOINT", "EXTERNAL ID"], rows);
        for row in &self.resources {
            if let Some(why) = &row.why {
                text.push_str(&format!("\n{}: {why}", row.name));
            }
        }
        for went in &self.pruned {
            text.push_str(&format!("\n{}: no longer declared: {}", went.key, sentence(went)));
        }
        for (component, path) in &self.env {
            text.push_str(&format!("\nenvironment of {component}: {}", path.display()));
        }
        text
    }
}

fn sentence(went: &Went) -> String {
    if went.message.is_empty() {
        went.state.to_owned()
    } else {
        format!("{}: {}", went.state, went.message)
    }
}

impl Answer for Vec<Went> {
    fn data(&self) -> &impl Serialize {
        self
    }

    fn text(&self) -> String {
        if self.is_empty() {
            return "nothing is there".into();
        }
        let rows = self.iter().map(|went| {
            let state = went.state.to_owned();
            vec![
                went.key.to_string(),
                went.kind.to_string(),
                or_dash(went.external_id.as_ref()),
                state,
                went.message.clone(),
            ]
        });
        table(&["KEY", "KIND", "EXTERNAL ID", "NOW", ""], rows)
    }
}

impl Answer for Plan {
    fn data(&self) -> &impl Serialize {
        self
    }

    fn text(&self) -> String {
        let mut text = format!("application {} in environment {}\n", self.application, self.environment);
        for planned in &self.resources {
            let (action, kind) = (planned.action.as_str(), planned.kind);
            text.push_str(&format!(
                "\n{action:8} {} ({kind} at {})\n",
                planned.name, planned.provider
            ));
            for why in &planned.why {
                text.push_str(&format!("         {why}\n"));
            }
            let width = planned
                .values
                .iter()
                .map(|value| value.field.len())
                .max()
                .unwrap_or_default();
            for value in &planned.values {
                text.push_str(&format!(
                    "           {:width$} = {}  ({})\n",
                    value.field, value.value, value.origin
                ));
            }
            for option in &planned.not_applied {
                text.push_str(&format!("           not applied here: {option}\n"));
            }
            for note in &planned.notes {
                text.push_str(&format!("           note: {note}\n"));
            }
        }
        for note in &self.notes {
            text.push_str(&format!("\n{note}"));
        }
        text
    }
}

impl Answer for Vec<Listed> {
    fn data(&self) -> &impl Serialize {
        self
    }

    fn text(&self) -> String {
        if self.is_empty() {
            return "nothing is on record".into();
        }
        let rows = self.iter().map(|listed| {
            vec![
                listed.key.clone(),
                listed.kind.clone(),
                listed.environment.clone(),
                listed.provider.clone(),
                listed.standing.clone(),
                or_dash(listed.endpoint.as_ref()),
                or_dash(listed.external_id.as_ref()),
            ]
        });
        table(
            &[
                "KEY",
                "KIND",
                "ENVIRONMENT",
                "PROVIDER",
                "STANDING",
                "ENDPOINT",
                "EXTERNAL ID",
            ],
            rows,
        )
    }
}

impl Answer for Vec<Entry> {
    fn data(&self) -> &impl Serialize {
        self
    }

    fn text(&self) -> String {
        if self.is_empty() {
            return "nothing of ours is there".into();
        }
        let rows = self.iter().map(|entry| {
            let state = entry.state.as_str().to_owned();
            let (kind, id) = (entry.kind.to_string(), entry.external_id.to_string());
            vec![entry.provider.clone(), kind, id, entry.owner.clone(), state]
        });
        table(&["PROVIDER", "KIND", "EXTERNAL ID", "OWNER", "STATE"], rows)
    }
}

impl Answer for Vec<Checked> {
    fn data(&self) -> &impl Serialize {
        self
    }

    fn text(&self) -> String {
        let rows = self.iter().map(|checked| {
            let kinds = checked
                .kinds
                .iter()
                .map(|kind| kind.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            let verdict = checked.error.clone().unwrap_or_else(|| "good".into());
            let (account, region) = (or_dash(checked.account.as_ref()), or_dash(checked.region.as_ref()));
            vec![
                checked.provider.clone(),
                checked.kind.unwrap_or("-").to_owned(),
                account,
                region,
                kinds,
                verdict,
            ]
        });
        table(&["PROVIDER", "TYPE", "ACCOUNT", "REGION", "KINDS", "CREDENTIALS"], rows)
    }
}
