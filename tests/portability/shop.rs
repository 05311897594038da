//! The application, and what answers its requests.

use std::{
    net::SocketAddr,
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
};

use mooring_test_servers::http;

/// The application as a developer writes it. What it says of an environment is a label, and where its two processes
/// are, as there is no cluster to know that.
pub(crate) fn shop(environment: &str, backends: &Backends) -> String {
    let targets = backends.addresses.map(|address| format!("'{address}'")).join(", ");
    format!(
        r#"apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: shop
  labels: {{mooring.dev/environment: {environment}}}
spec:
  components:
    - name: web
      type: webservice
      properties: {{image: shop:1.0, ports: [{{port: 8080, expose: true}}]}}
      traits:
        - {{type: rds, properties: {{engine: mysql, as: DB}}}}
        - type: slb
          properties:
            listeners: [{{port: {PORT}, targetPort: 8080, protocol: http}}]
            targets: [{targets}]
            as: LB
        - {{type: log, properties: {{sources: [stdout], as: LOG}}}}
        - {{type: monitor, properties: {{alarms: [{{of: rds, metric: connections, above: 80%, for: 1m}}]}}}}
    - name: report
      type: worker
      properties: {{image: shop-report:1.0}}
      traits:
        - {{type: bind, properties: {{to: web/rds, access: readonly, as: DB}}}}
"#
    )
}

/// Where the balancer listens.
pub(crate) const PORT: u16 = 8080;

/// The two processes of the application.
pub(crate) struct Backends {
    pub(crate) addresses: [SocketAddr; 2],
    /// Another address of theirs, on which nobody listens.
    pub(crate) free: String,
    asked: Arc<AtomicUsize>,
}

impl Backends {
    /// Both, at addresses of this range of the loopback interface.
    pub(crate) fn start(range: &str) -> Self {
        let at = |host: u8| format!("{}.{host}", range.rsplit_once('.').expect("addresses").0);
        let asked = Arc::<AtomicUsize>::default();
        let addresses = [(2, "red"), (3, "blue")].map(|(host, name)| {
            let asked = asked.clone();
            let address = format!("{}:8080", at(host)).parse().expect("an address");
            http::serve_at(address, move |_| {
                asked.fetch_add(1, Ordering::SeqCst);
                (200, name.to_owned())
            })
        });
        Self {
            addresses,
            free: at(1),
            asked,
        }
    }

    /// How many requests have come.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}
