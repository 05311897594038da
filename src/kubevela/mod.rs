//! TraitDefinitions for KubeVela, made of the types that the CloudResource is made of: where KubeVela runs, `rds` and
//! its like are traits as if KubeVela had shipped them. No I/O but the writing of files.
//!
//! **What a trait does there.** It emits the CloudResource, under the name that our own Application controller would
//! give it, and patches the environment variables into the workload before that is made, so that a workload is born
//! with them and nothing is rolled twice.
//!
//! **Whose the variables are.** KubeVela's alone. The emitted CloudResource says `inject: false`, which asks the binding
//! controller to keep its hands off: had both of them the variables, the one would put back what the other takes out,
//! for KubeVela changes a workload well before it deletes what a trait no longer emits. What is left to the binding
//! controller is what KubeVela cannot see: pods of a workload that shows the Secret are rolled when that changes, and
//! whoever shows it is on record as a consumer, so that a teardown waits for it.
//!
//! **The exception.** The variables of a `bind` depend on the kind of what it is to, which a template cannot look up.
//! Where that cannot be told by its name, the template says nothing and the binding controller injects as it does
//! without KubeVela: one more rollout when it is bound.
//!
//! **Stages.** What a workload may show comes before it: none of these needs a workload to be ready, and one that started
//! without its variables would not get them later. Alarms come after it. Where an environment does without a kind there
//! will be no Secret, so the variables are optional, and the stage is what waits for them. That takes KubeVela's feature
//! `MultiStageComponentApply`, which its chart turns on.
//!
//! **Health** is whether there is a Secret to use, and that stays so: a database that is resized must not hold up a
//! rollout. But a change is seen by us before a workload may show what is new in it.
//!
//! **Where we were first.** KubeVela goes on with what stands there, by the labels that our Application controller put on
//! it: nothing is made anew. While that one is on as well, the two write the same variables in two ways (here they are
//! optional), so it is turned off first (`--applications=off`): then a workload is rolled once.

mod parameter;
mod template;

use std::path::Path;

use mooring_provider::Kind;
use serde_json::Value as Json;

use crate::api::{self, Declares};

/// The generated files of `deploy/kubevela/`, by their name, with their content.
pub fn files() -> Vec<(String, String)> {
    let definitions = Declares::ALL.map(|declares| (format!("{declares}.yaml"), definition(declares)));
    let names = definitions
        .iter()
        .map(|(name, _)| format!("  - {name}\n"))
        .collect::<String>();
    let kustomization = format!(
        "# Traits for clusters with KubeVela, in the namespace where it looks for definitions:\n\
         # `kubectl apply -k deploy/kubevela`.\n\
         apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: vela-system\nresources:\n{names}"
    );
    [("kustomization.yaml".to_owned(), kustomization)]
        .into_iter()
        .chain(definitions)
        .collect()
}

/// Writes the generated files into that directory. What `mooring kubevela --write deploy/kubevela` does.
pub fn write(directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    files()
        .into_iter()
        .try_for_each(|(name, content)| std::fs::write(directory.join(name), content))
}

/// The TraitDefinition of a trait, as YAML.
pub fn definition(declares: Declares) -> String {
    let schema = schema(declares);
    let description = schema["description"].as_str().unwrap_or_default();
    let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let template = template::template(declares, &parameter::definition(declares, &schema));
    let stage = match declares {
        Declares::Resource(Kind::Monitor) => "PostDispatch",
        Declares::Resource(_) | Declares::Bind => "PreDispatch",
    };
    format!(
        "# Generated: `mooring kubevela --write deploy/kubevela`.\n\
         apiVersion: core.oam.dev/v1beta1\n\
         kind: TraitDefinition\n\
         metadata:\n  \
           name: {declares}\n  \
           namespace: vela-system\n  \
           annotations:\n    \
             definition.oam.dev/description: {description:?}\n\
         spec:\n  \
           appliesToWorkloads: [deployments.apps, statefulsets.apps, daemonsets.apps, cronjobs.batch, jobs.batch]\n  \
           podDisruptive: true\n  \
           stage: {stage}\n  \
           schematic:\n    \
             cue:\n      \
               template: |\n{}  \
           status:\n    \
             customStatus: |\n{}    \
             healthPolicy: |\n{}",
        indented(8, &template),
        indented(6, &template::custom_status(declares)),
        indented(6, &template::health_policy(declares)),
    )
}

/// The schema of the member of a CloudResource that has the trait's properties.
fn schema(declares: Declares) -> Json {
    let crds = api::crds();
    let schema = crds[0].spec.versions[0].schema.as_ref();
    let schema = serde_json::to_value(schema.and_then(|schema| schema.open_api_v3_schema.as_ref()));
    schema.expect("a schema is JSON")["properties"]["spec"]["properties"][declares.as_str()].take()
}

fn indented(by: usize, text: &str) -> String {
    let line = |line: &str| {
        if line.is_empty() {
            "\n".to_owned()
        } else {
            format!("{:by$}{line}\n", "")
        }
    };
    text.lines().map(line).collect()
}
