use proptest::prelude::*;

use super::{Dialect, Ident, Sql};

/// Reads what is between quotes as a server does: a doubled quote is one, and where backslashes escape, so do they.
/// What follows the closing quote is given back too.
fn unquoted(text: &str, quote: char, escapes: bool) -> Option<(String, &str)> {
    let mut chars = text.strip_prefix(quote)?.char_indices().peekable();
    let (mut read, body) = (String::new(), &text[quote.len_utf8()..]);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if escapes => read.push(chars.next()?.1),
            c if c == quote => match chars.peek() {
                Some((_, next)) if *next == quote => {
                    chars.next();
                    read.push(quote);
                }
                _ => return Some((read, &body[at + quote.len_utf8()..])),
            },
            c => read.push(c),
        }
    }
    None
}

/// What a GRANT takes a pattern for.
fn unpattern(text: &str) -> Option<String> {
    let mut read = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => read.push(chars.next()?),
            '_' | '%' => return None,
            c => read.push(c),
        }
    }
    Some(read)
}

const DIALECTS: [(Dialect, char, &str); 2] = [(Dialect::Postgres, '"', "E"), (Dialect::Mysql, '`', "")];

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9_]{1,63}",
        "[ -~]{0,62}[!-~]",
        r#"["'`\\;_%-]{1,40}"#,
        any::<String>()
    ]
}

proptest! {
    #[test]
    fn a_name_is_one_name_and_ends_where_it_ends(name in names()) {
        let Ok(ident) = Ident::new(name.clone()) else { return Ok(()) };
        for (dialect, quote, _) in DIALECTS {
            let sql = Sql::new(dialect, "").ident(&ident).text("; end");
            prop_assert_eq!(unquoted(sql.as_str(), quote, false), Some((name.clone(), "; end")));
            let sql = Sql::new(dialect, "").pattern(&ident).text("; end");
            let (pattern, rest) = unquoted(sql.as_str(), quote, false).expect("it is quoted");
            prop_assert_eq!((unpattern(&pattern), rest), (Some(name.clone()), "; end"));
        }
    }

    #[test]
    fn a_value_is_one_value_and_ends_where_it_ends(value in prop_oneof![any::<String>(), r"['\\;_% -]{0,40}"]) {
        let wanted = value.replace('\0', "");
        for (dialect, _, prefix) in DIALECTS {
            let sql = Sql::new(dialect, "").literal(&value).text("; end");
            let text = sql.as_str().strip_prefix(prefix).expect("its prefix");
            prop_assert_eq!(unquoted(text, '\'', true), Some((wanted.clone(), "; end")));
        }
    }

    #[test]
    fn what_no_server_takes_is_refused(name in any::<String>()) {
        let good = !name.is_empty() && name.len() <= 63 && !name.ends_with(' ') && !name.chars().any(char::is_control);
        prop_assert_eq!(Ident::new(name).is_ok(), good);
    }
}

#[test]
fn lists_are_separated() {
    let ident = |name| Ident::new(name).expect("a name");
    let sql = Sql::new(Dialect::Mysql, "x ")
        .idents([&ident("a"), &ident("b`")])
        .text(" ")
        .literals(["1", "'"]);
    assert_eq!(sql.number(7).as_str(), r"x `a`, `b``` '1', ''''7");
}

/// Nothing but [`Sql::query`] tells sqlx that a text is safe, and no text reaches sqlx otherwise: `query` and its kin
/// take what is `'static` or what is said to be safe.
#[test]
fn nothing_else_vouches_for_a_text() {
    let mut directories = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut vouching = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("the source") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if !path.ends_with("sql/tests.rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                let words = ["AssertSqlSafe", ".leak()", "Box::leak", "QueryBuilder"];
                if words.iter().any(|word| text.contains(word)) {
                    vouching.push(path.file_name().expect("a name").to_owned());
                }
            }
        }
    }
    assert_eq!(vouching, ["sql.rs"]);
}
