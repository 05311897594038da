//! Documents of our kinds in YAML files, read and judged. Every problem names the file, the document, the field, the
//! value and the fix; all of them are told at once.

mod split;

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
};

use k8s_openapi::{ByteString, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use mooring_provider::Credentials;
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value as Json};

use super::error::{Error, Result};
use crate::{
    api::{ApplicationSpec, CloudResourceSpec, EnvironmentSpec, ProviderConfigSpec, names},
    engine::{
        declare::{self, Declaration, Declared},
        effective,
        problem::{Problem, did_you_mean},
    },
};

/// The namespace of what names none.
pub const NAMESPACE: &str = "default";

/// What the files hold.
#[derive(Debug, Default)]
pub struct Documents {
    /// The application, and where it stands.
    pub application: Option<Declares>,
    /// The Environments, with whether each is the default.
    pub environments: BTreeMap<String, (EnvironmentSpec, bool)>,
    /// The ProviderConfigs.
    pub providers: BTreeMap<String, ProviderConfigSpec>,
    /// The Secrets, by namespace and name.
    pub secrets: BTreeMap<(String, String), Credentials>,
    /// The labels of the Namespaces.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// What is not ours to handle.
    pub notes: Vec<String>,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// What an Application and the CloudResources made by hand for it declare.
#[derive(Debug, Default)]
pub struct Declares {
    /// What is declared.
    pub declared: Declared,
    /// The Environment the Application is labelled with.
    pub environment: Option<String>,
    /// Where it stands, for problems that are found later.
    pub place: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Json,
    #[serde(flatten)]
    rest: Map<String, Json>,
}

/// One document, and how it is named in a problem.
struct Found {
    place: String,
    document: Document,
}

/// The kinds that may stand in a file, with their versions.
const KINDS: [(&str, &str); 6] = [
    ("Application", "core.oam.dev/v1beta1"),
    ("CloudResource", "mooring.dev/v1alpha1"),
    ("Environment", "mooring.dev/v1alpha1"),
    ("ProviderConfig", "mooring.dev/v1alpha1"),
    ("Namespace", "v1"),
    ("Secret", "v1"),
];

impl Documents {
    /// Reads files; `-` is the standard input. Fails only if a file cannot be read: what is wrong with its content is
    /// in [`problems`](Self::problems).
    pub fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut all = Self::default();
        let mut found = Vec::new();
        for path in paths {
            let (name, text) = text(path)?;
            for part in split::documents(&text) {
                let place = format!("{name}, document {} (line {})", part.number, part.line);
                match split::parse(&part) {
                    Ok(json) => found.extend(all.document(place, json)),
                    Err(message) => all
                        .problems
                        .push(format!("{name}, document {}: {message}", part.number)),
                }
            }
        }
        // What is declared may refer to what stands further down.
        let (declaring, others): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|found| matches!(found.document.kind.as_deref(), Some("Application" | "CloudResource")));
        for found in others {
            all.surroundings(found);
        }
        for found in declaring {
            all.declares(found);
        }
        Ok(all)
    }

    /// Fails if anything is wrong.
    pub fn judged(self) -> Result<Self> {
        if self.problems.is_empty() {
            Ok(self)
        } else {
            Err(Error::Input(self.problems))
        }
    }

    fn document(&mut self, place: String, json: Json) -> Option<Found> {
        if !json.is_object() {
            self.problems.push(format!(
                "{place}: is no object; it needs `apiVersion`, `kind` and `metadata`"
            ));
            return None;
        }
        let document: Document = match serde_json::from_value(json) {
            Ok(document) => document,
            Err(error) => {
                self.problems.push(format!("{place}: {error}"));
                return None;
            }
        };
        let (Some(version), Some(kind)) = (document.api_version.as_deref(), document.kind.as_deref()) else {
            let missing = if document.kind.is_none() { "kind" } else { "apiVersion" };
            let known = KINDS.map(|(kind, _)| kind).join(", ");
            self.problems.push(format!(
                "{place}: {missing}: is missing; it takes documents of the kinds {known}"
            ));
            return None;
        };
        let name = document.metadata.name.clone().unwrap_or_default();
        let place = format!("{place}, {kind} `{name}`");
        match KINDS.iter().find(|(known, _)| *known == kind) {
            Some((_, known)) if *known == version => {}
            Some((_, known)) => {
                self.problems
                    .push(format!("{place}: apiVersion: `{version}`: must be `{known}`"));
                return None;
            }
            None => {
                let hint = did_you_mean(kind, KINDS.iter().map(|(kind, _)| *kind));
                if version.ends_with("mooring.dev/v1alpha1") || version.starts_with("core.oam.dev/") || !hint.is_empty()
                {
                    let known = KINDS.map(|(kind, _)| kind).join(", ");
                    self.problems
                        .push(format!("{place}: kind: `{kind}`: is none of {known}{hint}"));
                } else {
                    self.notes.push(format!("{place}: left alone; it is none of ours"));
                }
                return None;
            }
        }
        if name.is_empty() {
            self.problems.push(format!("{place}: metadata.name: is missing"));
            return None;
        }
        Some(Found { place, document })
    }

    fn surroundings(&mut self, found: Found) {
        let Found { place, document } = found;
        let Document {
            kind,
            metadata,
            spec,
            rest,
            ..
        } = document;
        let name = metadata.name.clone().unwrap_or_default();
        let namespace = metadata.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned());
        let fresh = match kind.as_deref() {
            Some("Environment") => {
                let Some(read) = self.typed::<EnvironmentSpec>(&place, "Environment", spec) else {
                    return;
                };
                self.tell(&place, effective::check_environment(&read));
                let default = metadata
                    .annotations
                    .iter()
                    .flatten()
                    .any(|(k, v)| k == names::DEFAULT && v == "true");
                self.environments.insert(name, (read, default)).is_none()
            }
            Some("ProviderConfig") => {
                let Some(read) = self.typed::<ProviderConfigSpec>(&place, "ProviderConfig", spec) else {
                    return;
                };
                if read.provider.iter().count() != 1 {
                    let known = crate::api::PROVIDERS.join(", ");
                    self.problems
                        .push(format!("{place}: spec: exactly one of {known} must be set"));
                }
                self.providers.insert(name, read).is_none()
            }
            Some("Namespace") => self
                .namespaces
                .insert(name, metadata.labels.unwrap_or_default())
                .is_none(),
            _ => match secret(&rest) {
                Ok(entries) => self.secrets.insert((namespace, name), entries).is_none(),
                Err(message) => {
                    self.problems.push(format!("{place}: {message}"));
                    true
                }
            },
        };
        if !fresh {
            self.problems
                .push(format!("{place}: stands twice in what was given; remove one of them"));
        }
    }

    fn declares(&mut self, found: Found) {
        let Found { place, document } = found;
        let Document {
            kind, metadata, spec, ..
        } = document;
        let name = metadata.name.clone().unwrap_or_default();
        let namespace = metadata.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned());
        if kind.as_deref() == Some("Application") {
            if let Some(first) = &self.application {
                let message = "a second application; give one at a time, each with its own `-f`";
                self.problems
                    .push(format!("{place}: {message} (the first is {})", first.place));
                return;
            }
            let read: ApplicationSpec = match serde_json::from_value(spec) {
                Ok(spec) => spec,
                Err(error) => {
                    self.problems.push(format!("{place}: spec: {error}"));
                    // Its name alone is enough for a teardown.
                    ApplicationSpec::default()
                }
            };
            let declared = declare::declare(&namespace, &name, &read);
            self.tell(&place, declared.problems.clone());
            for unhandled in &declared.unhandled {
                let doubtful = unhandled.hint.is_some();
                let message = format!("{place}: {unhandled}: left alone; it is none of ours");
                if doubtful {
                    self.problems.push(message);
                } else {
                    self.notes.push(message);
                }
            }
            let environment = metadata.labels.and_then(|mut labels| labels.remove(names::ENVIRONMENT));
            self.application = Some(Declares {
                declared,
                environment,
                place,
            });
            return;
        }
        let Some(spec) = self.typed::<CloudResourceSpec>(&place, "CloudResource", spec) else {
            return;
        };
        let Some(declaration) = Declaration::from_spec(&namespace, &spec) else {
            let known = crate::api::Declares::ALL.map(crate::api::Declares::as_str).join(", ");
            self.problems
                .push(format!("{place}: spec: exactly one of {known} must be set"));
            return;
        };
        let problems = declaration.check();
        self.tell(&place, problems);
        let key = &declaration.key;
        let whole = self.application.get_or_insert_with(|| {
            let mut declared = Declared::default();
            declared.application.clone_from(&key.application);
            declared.namespace.clone_from(&namespace);
            Declares {
                declared,
                environment: spec.environment.clone(),
                place: place.clone(),
            }
        });
        let declared = &mut whole.declared;
        if (&declared.namespace, &declared.application) != (&key.namespace, &key.application) {
            self.problems.push(format!(
                "{place}: spec.application: `{}` in namespace `{}`: the other documents are for `{}` in namespace `{}`; \
                 give one application at a time",
                key.application, key.namespace, declared.application, declared.namespace
            ));
        } else if declared.keeps(key) {
            let message = "is declared already under this component and name; give one of them another name";
            self.problems
                .push(format!("{place}: spec.name: `{}`: {message}", key.name));
        } else {
            declared.resources.push(declaration);
            declare::sort(&mut declared.resources);
        }
    }

    fn tell(&mut self, place: &str, problems: Vec<Problem>) {
        self.problems
            .extend(problems.into_iter().map(|problem| format!("{place}: {problem}")));
    }

    fn typed<T: DeserializeOwned>(&mut self, place: &str, kind: &str, spec: Json) -> Option<T> {
        let problems = declare::check_document(kind, &spec).unwrap_or_default();
        if !problems.is_empty() {
            self.tell(place, problems);
            return None;
        }
        match serde_json::from_value(spec) {
            Ok(spec) => Some(spec),
            Err(error) => {
                self.problems.push(format!("{place}: spec: {error}"));
                None
            }
        }
    }
}

fn text(path: &Path) -> Result<(String, String)> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(Error::file("read", path))?;
        return Ok(("standard input".into(), text));
    }
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((path.display().to_string(), text)),
        Err(error) => Err(Error::input(format!(
            "{}: cannot be read: {error}; name a YAML file with `-f`",
            path.display()
        ))),
    }
}

/// The entries of a Secret. No message of a problem shows a value.
fn secret(rest: &Map<String, Json>) -> std::result::Result<Credentials, String> {
    let mut entries = Credentials::new();
    for (member, encoded) in [("data", true), ("stringData", false)] {
        let values = match rest.get(member) {
            None | Some(Json::Null) => continue,
            Some(Json::Object(values)) => values,
            Some(_) => return Err(format!("{member}: must be an object with members of its own")),
        };
        for (name, value) in values {
            let text = value
                .as_str()
                .ok_or_else(|| format!("{member}.{name}: must be a text"))?;
            let text = if encoded {
                let bytes = ByteString::deserialize(value)
                    .ok()
                    .and_then(|bytes| String::from_utf8(bytes.0).ok());
                bytes
                    .ok_or_else(|| format!("{member}.{name}: is no base64 of a text; `stringData` takes it as it is"))?
            } else {
                text.to_owned()
            };
            entries.insert(name.clone(), SecretString::from(text));
        }
    }
    Ok(entries)
}
