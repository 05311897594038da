//! What is in `deploy/kubevela/` is what the code generates.

use std::path::Path;

use mooring::kubevela;

#[test]
fn the_files_are_what_the_code_generates() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubevela");
    let stale: Vec<_> = kubevela::files()
        .into_iter()
        .filter(|(name, content)| std::fs::read_to_string(directory.join(name)).ok().as_ref() != Some(content))
        .map(|(name, _)| name)
        .collect();
    assert!(
        stale.is_empty(),
        "{stale:?} in deploy/kubevela/ is stale; run `mooring kubevela --write deploy/kubevela`"
    );
}
