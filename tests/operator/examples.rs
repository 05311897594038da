//! The examples in `crds/examples/`, as an API server takes them.

use std::path::Path;

use crate::support::cluster::{Cluster, Team};

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_taken_by_an_api_server() {
    let cluster = Cluster::shared();
    // With the first Application the operator has defined what one is.
    let team = Team::new(cluster, "examples").await;
    team.apply(super::application::SHOP).await;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds/examples");
    let mut seen = 0;
    for file in std::fs::read_dir(examples).expect("the examples") {
        let path = file.expect("an entry").path();
        let said = cluster.kubectl(&[
            "apply",
            "--dry-run=server",
            "--filename",
            path.to_str().expect("a path of letters"),
            "--output=name",
        ]);
        let documents = std::fs::read_to_string(&path).expect("it can be read");
        let documents = documents.lines().filter(|line| line.starts_with("kind: ")).count();
        assert_eq!(said.lines().count(), documents, "{}: {said}", path.display());
        seen += documents;
    }
    assert!(seen > 8, "there are examples");
}
