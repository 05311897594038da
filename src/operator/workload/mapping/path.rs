//! Paths into an object: what of JSONPath the specification of servicebinding.io asks for. No I/O.

use std::fmt;

use serde_json::Value as Json;

/// A path that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` is no path that can be used: {problem}")]
pub struct InvalidPath {
    expression: String,
    problem: String,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A field of an object.
    Field(String),
    /// An item of a list.
    Item(usize),
    /// Every item of a list, or every field of an object.
    Every,
}

/// A place in an object: fields and items, none left open.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(Vec<Step>);

/// A path that may lead to several places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyPath(Vec<Step>);

/// A path of fields only, which leads to one place whether or not something is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedPath(Vec<String>);

impl Place {
    /// The place that these fields lead to.
    pub fn of<const N: usize>(fields: [&str; N]) -> Self {
        Self(fields.map(|field| Step::Field(field.to_owned())).into())
    }

    /// The place below this one.
    pub fn join(&self, path: &FixedPath) -> Self {
        let fields = path.0.iter().cloned().map(Step::Field);
        Self(self.0.iter().cloned().chain(fields).collect())
    }

    /// One step further.
    pub fn field(&self, name: &str) -> Self {
        self.then(Step::Field(name.to_owned()))
    }

    fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// What is there. `Err` is the place on the way that leads no further: neither absent nor an object.
    pub fn get<'a>(&self, object: &'a Json) -> Result<Option<&'a Json>, Self> {
        let mut value = object;
        for (done, step) in self.0.iter().enumerate() {
            let next = match (step, value) {
                (Step::Field(name), Json::Object(fields)) => fields.get(name),
                (Step::Item(index), Json::Array(items)) => items.get(*index),
                _ => return Err(Self(self.0[..done].to_vec())),
            };
            match next {
                None | Some(Json::Null) => return Ok(None),
                Some(next) => value = next,
            }
        }
        Ok(Some(value))
    }

    /// The places that lead here, from the outermost; without the object itself and without this one.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        (1..self.0.len()).map(|length| Self(self.0[..length].to_vec()))
    }

    /// As RFC 6901 writes it.
    pub fn pointer(&self) -> String {
        let token = |step: &Step| match step {
            Step::Field(name) => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            Step::Item(index) => format!("/{index}"),
            Step::Every => unreachable!("a place is never left open"),
        };
        self.0.iter().map(token).collect()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        steps(f, &self.0)
    }
}

impl fmt::Display for AnyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        steps(f, &self.0)
    }
}

fn steps(f: &mut fmt::Formatter<'_>, steps: &[Step]) -> fmt::Result {
    for step in steps {
        match step {
            Step::Field(name) if name.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_') => {
                write!(f, ".{name}")?;
            }
            Step::Field(name) => write!(f, "['{name}']")?,
            Step::Item(index) => write!(f, "[{index}]")?,
            Step::Every => f.write_str("[*]")?,
        }
    }
    Ok(())
}

impl AnyPath {
    /// Reads an expression: fields, `[*]` and `[0]`.
    pub fn parse(expression: &str) -> Result<Self, InvalidPath> {
        let invalid = |problem: &str| InvalidPath {
            expression: expression.to_owned(),
            problem: problem.to_owned(),
        };
        let (mut rest, mut steps) = (expression, Vec::new());
        while !rest.is_empty() {
            let (step, after) = step(rest).map_err(|problem| invalid(&problem))?;
            steps.push(step);
            rest = after;
        }
        if steps.is_empty() {
            return Err(invalid("it is empty; write for example `.spec.template.spec.volumes`"));
        }
        Ok(Self(steps))
    }

    /// The places in an object that it leads to and where something is, each once.
    pub fn places(&self, object: &Json) -> Vec<Place> {
        let mut found = vec![(Place::default(), object)];
        for step in &self.0 {
            found = found
                .into_iter()
                .flat_map(|(place, value)| below(&place, value, step))
                .collect();
        }
        found.into_iter().map(|(place, _)| place).collect()
    }
}

fn below<'a>(place: &Place, value: &'a Json, step: &Step) -> Vec<(Place, &'a Json)> {
    match (step, value) {
        (Step::Every, Json::Array(items)) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (place.then(Step::Item(index)), item))
            .collect(),
        (Step::Every, Json::Object(fields)) => fields.iter().map(|(name, value)| (place.field(name), value)).collect(),
        _ => {
            let next = Place(vec![step.clone()]);
            let value = next.get(value).ok().flatten();
            value
                .map(|value| (place.then(step.clone()), value))
                .into_iter()
                .collect()
        }
    }
}

impl FixedPath {
    /// Reads an expression of fields only.
    pub fn parse(expression: &str) -> Result<Self, InvalidPath> {
        let AnyPath(steps) = AnyPath::parse(expression)?;
        let fields = steps.into_iter().map(|step| match step {
            Step::Field(name) => Ok(name),
            Step::Item(_) | Step::Every => Err(InvalidPath {
                expression: expression.to_owned(),
                problem: "it may have fields only, no `[*]` and no `[0]`".into(),
            }),
        });
        fields.collect::<Result<_, _>>().map(Self)
    }
}

/// The first step of an expression, and what follows it.
fn step(rest: &str) -> Result<(Step, &str), String> {
    if rest.starts_with("..") {
        return Err("it has `..`, which leads anywhere; name each field".into());
    }
    if let Some(rest) = rest.strip_prefix('.') {
        return field(rest);
    }
    let Some(inner) = rest.strip_prefix('[') else {
        return Err(format!(
            "`{rest}` begins neither with `.` nor with `[`; write `.{rest}`"
        ));
    };
    if let Some(quote) = inner.chars().next().filter(|first| matches!(first, '\'' | '"')) {
        let name = inner[1..].split_once(&format!("{quote}]"));
        return match name {
            Some((name, rest)) if !name.is_empty() && !name.contains(quote) => Ok((Step::Field(name.to_owned()), rest)),
            _ => Err(format!("`[{inner}` is not one name in quotes, as in `['name']`")),
        };
    }
    let Some((inner, rest)) = inner.split_once(']') else {
        return Err(format!("`[{inner}` has no `]`"));
    };
    match inner {
        "*" => Ok((Step::Every, rest)),
        index => match index.parse() {
            Ok(index) => Ok((Step::Item(index), rest)),
            Err(_) => Err(format!(
                "`[{index}]` is a filter, a slice or a union; only `[*]`, `[0]` and `['name']` can be used"
            )),
        },
    }
}

/// A field after its dot; a backslash takes the character after it as it is.
fn field(rest: &str) -> Result<(Step, &str), String> {
    let (mut name, mut characters) = (String::new(), rest.char_indices());
    let mut end = rest.len();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            '.' | '[' => {
                end = at;
                break;
            }
            c if c.is_whitespace() || matches!(c, ']' | '(' | ')' | '{' | '}' | '$' | '@' | '\'' | '"' | ',') => {
                return Err(format!("`{c}` cannot be part of a field's name; write `['name']`"));
            }
            c => name.push(c),
        }
    }
    match name.as_str() {
        "" => Err("a field has no name".into()),
        "*" => Ok((Step::Every, &rest[end..])),
        _ => Ok((Step::Field(name), &rest[end..])),
    }
}
