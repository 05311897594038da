//! The Dockerfile. Nothing here can build an image, so it is read, and what it copies is given to cargo.

use std::{collections::BTreeSet, process::Command};

use crate::{object, path, read, rendered};

/// One instruction: its word, and the rest with its continuation lines.
fn instructions() -> Vec<(String, String)> {
    let text = read("deploy/Dockerfile");
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let all = joined.lines().filter_map(|line| line.trim().split_once(' '));
    all.map(|(word, rest)| (word.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect()
}

fn all<'a>(instructions: &'a [(String, String)], word: &str) -> Vec<&'a str> {
    instructions
        .iter()
        .filter(|(found, _)| found == word)
        .map(|(_, rest)| rest.as_str())
        .collect()
}

#[test]
fn it_is_built_by_stages_and_runs_as_nobody() {
    let known = ["FROM", "RUN", "WORKDIR", "COPY", "USER", "EXPOSE", "ENTRYPOINT", "CMD"];
    let instructions = instructions();
    for (word, _) in &instructions {
        assert!(
            known.contains(&word.as_str()),
            "{word}: is it an instruction, and does this test know it?"
        );
    }
    let stages = all(&instructions, "FROM");
    assert_eq!(stages.len(), 2, "one builds, one runs");
    for stage in &stages {
        let (image, tag) = stage
            .split(' ')
            .next()
            .and_then(|image| image.split_once(':'))
            .expect("an image has a tag");
        assert!(!image.contains('/') && tag != "latest", "{stage}");
    }
    let (_, name) = stages[0].split_once(" AS ").expect("the first stage has a name");
    let copied: Vec<_> = all(&instructions, "COPY")
        .into_iter()
        .filter(|copy| copy.starts_with("--from="))
        .collect();
    assert_eq!(
        copied,
        [format!("--from={name} /out/mooring /usr/local/bin/mooring")],
        "only the program is taken over"
    );

    assert!(
        stages[0].starts_with(concat!("rust:", env!("CARGO_PKG_RUST_VERSION"), "-")),
        "the compiler that Cargo.toml asks for"
    );
    let build = all(&instructions, "RUN")
        .into_iter()
        .find(|run| run.contains("cargo build"))
        .expect("it builds");
    assert!(build.contains("--release --locked"), "{build}");

    let last = |word: &str| {
        instructions
            .iter()
            .rposition(|(found, _)| found == word)
            .expect("there is one")
    };
    assert!(last("USER") > last("FROM"), "the last stage has a user");
    let user = all(&instructions, "USER")[0]
        .split_once(':')
        .expect("a user and a group");
    assert_eq!(
        all(&instructions, "ENTRYPOINT"),
        [r#"["/usr/local/bin/mooring"]"#],
        "without a shell, so that it gets SIGTERM"
    );

    let objects = rendered("deploy");
    let pod = &object(&objects, "Deployment", "mooring")["spec"]["template"]["spec"];
    assert_eq!(
        pod["securityContext"]["runAsUser"].to_string(),
        user.0,
        "the Deployment runs it as the same user"
    );
    let image = pod["containers"][0]["image"].as_str().expect("an image");
    assert_eq!(
        image,
        concat!("mooring:", env!("CARGO_PKG_VERSION")),
        "the Deployment names this version"
    );
}

/// What `COPY` and the ignore file leave is a package that cargo accepts.
#[test]
fn what_it_copies_is_all_that_the_build_reads() {
    let there = tempfile::tempdir().expect("a temporary directory");
    let ignored = read("deploy/Dockerfile.dockerignore");
    let kept: BTreeSet<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for copy in all(&instructions(), "COPY")
        .into_iter()
        .filter(|copy| !copy.starts_with("--from="))
    {
        let mut names: Vec<_> = copy.split(' ').collect();
        names.pop();
        for name in names {
            assert!(kept.contains(name), "{name} is copied and ignored");
            let copied = Command::new("cp")
                .arg("-r")
                .arg(path(name))
                .arg(there.path())
                .status()
                .expect("cp runs");
            assert!(copied.success(), "{name} is there");
        }
    }
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(there.path())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
