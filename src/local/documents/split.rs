//! A stream of YAML documents, one by one, so that a broken one does not hide what is wrong with the others.

use serde_json::Value as Json;

/// One document of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Which one it is, from one; those without content are not counted.
    pub(super) number: usize,
    /// The line of the stream on which its content begins.
    pub(super) line: usize,
    /// How many lines stand before its text.
    before: usize,
    text: String,
}

/// Cuts a stream at its `---` lines, which YAML allows nowhere else at the beginning of a line.
pub(super) fn documents(stream: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut current = Part {
        number: 1,
        line: 0,
        before: 0,
        text: String::new(),
    };
    for (n, line) in stream.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") || line.starts_with("---\t") || line == "..." {
            let number = current.number + usize::from(current.line != 0);
            let next = Part {
                number,
                line: 0,
                before: n + 1,
                text: String::new(),
            };
            let done = std::mem::replace(&mut current, next);
            parts.extend((done.line != 0).then_some(done));
            let same_line = line.strip_prefix("---").unwrap_or("").trim();
            if same_line.is_empty() || same_line.starts_with('#') {
                continue;
            }
            current = Part {
                line: n + 1,
                before: n,
                text: format!("{same_line}\n"),
                ..current
            };
            continue;
        }
        let content = line.trim();
        if current.line == 0 && !content.is_empty() && !content.starts_with('#') {
            current.line = n + 1;
        }
        current.text.push_str(line);
        current.text.push('\n');
    }
    parts.extend((current.line != 0).then_some(current));
    parts
}

/// Parses a document. The message names the line in the stream and, unless it may be a Secret, what is wrong.
pub(super) fn parse(part: &Part) -> Result<Json, String> {
    serde_saphyr::from_str::<Json>(&part.text).map_err(|error| {
        let line = error
            .location()
            .map_or(part.line, |at| part.before + usize::try_from(at.line()).unwrap_or(1));
        if part.text.contains("Secret") {
            return format!("line {line}: is no YAML");
        }
        let message = error.without_snippet().to_string();
        let message = message
            .lines()
            .next()
            .unwrap_or_default()
            .split(" at line ")
            .next()
            .unwrap_or_default()
            .to_owned();
        format!("line {line}: is no YAML: {message}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_counted_by_content_and_know_their_line() {
        let stream = "# a comment\n---\na: 1\n---\n---\n# nothing\n---\n\nb: |\n  --- inside\n...\n--- {c: 3}\n";
        let parts = documents(stream);
        let shown: Vec<_> = parts.iter().map(|part| (part.number, part.line)).collect();
        assert_eq!(shown, [(1, 3), (2, 9), (3, 12)]);
        let values: Vec<_> = parts
            .iter()
            .map(|part| parse(part).expect("YAML").to_string())
            .collect();
        assert_eq!(values, ["{\"a\":1}", "{\"b\":\"--- inside\\n\"}", "{\"c\":3}"]);
    }

    #[test]
    fn what_is_no_yaml_is_found_and_a_secret_is_not_shown() {
        let parts = documents("a: 1\n---\nx:\n - [1\ny: 2\n---\nkind: Secret\ndata: {p: hunter2\n");
        let error = parse(&parts[1]).expect_err("no YAML");
        assert!(
            error.starts_with("line 5: is no YAML") || error.starts_with("line 4: is no YAML"),
            "{error}"
        );
        let error = parse(&parts[2]).expect_err("no YAML");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
