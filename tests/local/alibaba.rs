//! Without a cluster, on Alibaba Cloud's simulator: with what it prints, and with keys as the official tools find them.

use std::{
    io::Read as _,
    process::{Child, Command, Stdio},
};

use serde_json::json;

use crate::workplace::{MOORING, Workplace};

/// `mooring simulate aliyun` in a process of its own, and all that it printed.
struct Simulator {
    child: Child,
    printed: String,
}

impl Simulator {
    fn start() -> Self {
        let mut child = Command::new(MOORING)
            .args([
                "simulate",
                "aliyun",
                "--listen",
                "127.0.0.1:0",
                "--provisioning",
                "200ms",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdout = child.stdout.take().expect("its stdout");
        let (mut printed, mut some) = (String::new(), [0; 4096]);
        // It is printed at once, and ends with who may use it.
        while !printed.contains("allowedNamespaces") {
            let read = stdout.read(&mut some).expect("it can be read");
            assert!(read > 0, "it ended: {printed}");
            printed += std::str::from_utf8(&some[..read]).expect("text");
        }
        Self { child, printed }
    }

    fn url(&self) -> &str {
        let line = self.printed.lines().next().expect("a line");
        line.trim_start_matches("# ")
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const APPLICATION: &str = r#"
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: shop}
spec:
  components:
    - name: web
      type: webservice
      properties: {image: "shop:1.0"}
      traits:
        - {type: vpc, properties: {network: dedicated}}
        - {type: rds, properties: {engine: mysql, as: DB}}
"#;

#[test]
fn what_the_simulator_prints_makes_applications_run_there() {
    let (workplace, simulator) = (Workplace::new(), Simulator::start());
    let cloud = workplace.write("aliyun.yaml", &simulator.printed);
    let shop = workplace.write("shop.yaml", APPLICATION);
    workplace.run(&["check", "-f", &cloud]).ok();
    // Nor is anything of the portable example refused there, alarms and logs included.
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/examples/shop-portable.yaml");
    workplace.run(&["plan", "-f", example, "-f", &cloud]).ok();
    workplace
        .run(&["up", "-f", &shop, "-f", &cloud, "--timeout", "90s"])
        .ok();
    let env = workplace.env("web");
    assert!(env["DB_HOST"].contains("rds.aliyuncs.com"), "{env:?}");
    assert_eq!(env["DB_USERNAME"], "shop");
    workplace.shows_no("testsecret");
    workplace
        .run(&["down", "-f", &shop, "-f", &cloud, "--timeout", "90s"])
        .ok();
    let left = workplace.json(&["inventory", "-f", &cloud, "-o", "json"]);
    assert_eq!(left, json!([]));
}

#[test]
fn keys_are_found_as_the_official_tools_find_them() {
    let (workplace, simulator) = (Workplace::new(), Simulator::start());
    let file = workplace.write(
        "aliyun.yaml",
        &format!(
            "apiVersion: mooring.dev/v1alpha1\nkind: ProviderConfig\nmetadata: {{name: cloud}}\nspec:\n  aliyun:\n    \
             region: cn-hangzhou\n    endpoints: {{default: \"{}\"}}\n",
            simulator.url()
        ),
    );
    let profile = json!({"current": "ci", "profiles": [
        {"name": "ci", "mode": "AK", "access_key_id": "testid", "access_key_secret": "testsecret"},
    ]});
    workplace.write("profiles.json", &profile.to_string());
    let check = |variables: &str| {
        let nothing = "HOME=/nowhere ALIBABA_CLOUD_ECS_METADATA_DISABLED=true";
        workplace.shell(&format!(
            "env -u ALIBABA_CLOUD_ACCESS_KEY_ID {nothing} {variables} {MOORING} check -f {file}"
        ))
    };
    let keys = |secret: &str| format!("ALIBABA_CLOUD_ACCESS_KEY_ID=testid ALIBABA_CLOUD_ACCESS_KEY_SECRET={secret}");
    check(&keys("testsecret")).ok();
    check("ALIBABA_CLOUD_CREDENTIALS_FILE=profiles.json").ok();
    let refused = check(&keys("another-secret")).code(1);
    assert!(
        refused.stdout.contains("Unauthenticated") || refused.stderr.contains("Unauthenticated"),
        "{refused:?}"
    );
}
