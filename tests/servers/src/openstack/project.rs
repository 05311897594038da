//! A project of a test's own, with a network, seen from behind the adapters' backs.

use std::time::Duration;

use mooring_provider::Credentials;
use serde_json::{Value as Json, json};

use super::lab::{Lab, lab, range};

/// A project, and an application credential in it.
#[derive(Debug)]
pub struct Project {
    /// The cloud.
    pub lab: &'static Lab,
    /// Its id.
    pub id: String,
    /// The id of its user.
    pub user: String,
    /// A token of an administrator.
    pub admin: String,
    /// The application credential, as Keystone answered it.
    pub credential: Json,
    /// A network that is there.
    pub network: String,
    /// The subnet of it.
    pub subnet: String,
    /// The addresses of that.
    pub cidr: String,
}

impl Project {
    /// A project of this name, with a network.
    pub async fn new(name: &str) -> Self {
        let lab = tokio::task::spawn_blocking(lab).await.expect("the lab");
        let admin = lab.admin().await;
        let keystone = lab.get("authUrl");
        let name = format!("{name}-{}", std::process::id());
        let post = async |token: &str, path: &str, body: Json| {
            lab.send(token, "POST", &format!("{keystone}{path}"), Some(body))
                .await
                .expect("it is made")
        };
        let body = json!({"project": {"name": name, "domain_id": "default"}});
        let id = text(&post(&admin, "/projects", body).await["project"]["id"]);
        let body = json!({"user": {"name": name, "domain_id": "default", "password": "Test-1"}});
        let user = text(&post(&admin, "/users", body).await["user"]["id"]);
        let roles = lab
            .send(&admin, "GET", &format!("{keystone}/roles"), None)
            .await
            .expect("roles");
        let found = lab
            .send(&admin, "GET", &format!("{keystone}/users?name=admin"), None)
            .await
            .expect("users");
        let administrator = text(&found["users"][0]["id"]);
        for role in roles["roles"].as_array().expect("a list") {
            let user = match role["name"].as_str().unwrap_or_default() {
                "member" | "load-balancer_member" => &user,
                "admin" => &administrator,
                _ => continue,
            };
            let url = format!("{keystone}/projects/{id}/users/{user}/roles/{}", text(&role["id"]));
            lab.send(&admin, "PUT", &url, None).await;
        }
        // Trove lets nobody look into a project but with a token of it.
        let admin = lab.login("admin", lab.get("adminPassword"), json!({"id": id})).await;
        let token = lab.login(&name, "Test-1", json!({"id": id})).await;
        let credential = credential(lab, &token, &user).await;
        let mut project = Self {
            lab,
            id,
            user,
            admin,
            credential,
            network: String::new(),
            subnet: String::new(),
            cidr: range(),
        };
        (project.network, project.subnet) = project.add_network("theirs", &project.cidr.clone()).await;
        project
    }

    /// A network with one subnet that nobody of ours made.
    pub async fn add_network(&self, name: &str, cidr: &str) -> (String, String) {
        let body = json!({"network": {"name": name, "project_id": self.id}});
        let network = text(&self.made("network", "/v2.0/networks", body).await["network"]["id"]);
        let body = json!({"subnet": {
            "network_id": network, "ip_version": 4, "cidr": cidr, "enable_dhcp": false, "project_id": self.id,
        }});
        let subnet = text(&self.made("network", "/v2.0/subnets", body).await["subnet"]["id"]);
        (network, subnet)
    }

    fn url(&self, service: &str, path: &str) -> String {
        let base = self.lab.endpoint(service);
        match service {
            // The lab's own endpoint is of another project.
            "database" => format!("{}/{}{path}", base.rsplit_once('/').expect("a project").0, self.id),
            _ => format!("{base}{path}"),
        }
    }

    /// A request of an administrator. In Trove, of this project.
    pub async fn ask(&self, method: &str, service: &str, path: &str, body: Option<Json>) -> Option<Json> {
        self.lab.send(&self.admin, method, &self.url(service, path), body).await
    }

    /// A POST that succeeds.
    pub async fn made(&self, service: &str, path: &str, body: Json) -> Json {
        self.ask("POST", service, path, Some(body))
            .await
            .expect("what it names exists")
    }

    /// A listing of this project.
    pub async fn list(&self, service: &str, path: &str, name: &str) -> Vec<Json> {
        let path = match service {
            "database" => path.to_owned(),
            _ if path.contains('?') => format!("{path}&project_id={}", self.id),
            _ => format!("{path}?project_id={}", self.id),
        };
        let mut listed = self.ask("GET", service, &path, None).await.expect("a collection");
        match listed[name].take() {
            Json::Array(listed) => listed,
            other => panic!("{path} has no {name} but {other}"),
        }
    }

    /// Waits until something holds.
    pub async fn until<F: Future<Output = bool>>(&self, what: &str, mut holds: impl FnMut() -> F) {
        for _ in 0..600 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it never came to be: {what}");
    }

    /// Lets its user in, or not.
    pub async fn enable_user(&self, enabled: bool) {
        let url = format!("{}/users/{}", self.lab.get("authUrl"), self.user);
        let body = json!({"user": {"enabled": enabled}});
        self.lab.send(&self.admin, "PATCH", &url, Some(body)).await;
    }

    /// Revokes its application credential.
    pub async fn revoke(&self) {
        let id = text(&self.credential["id"]);
        let url = format!(
            "{}/users/{}/application_credentials/{id}",
            self.lab.get("authUrl"),
            self.user
        );
        let token = self.lab.login_of(&self.user, &self.id).await;
        self.lab.send(&token, "DELETE", &url, None).await;
    }

    /// What the Secret of a ProviderConfig has.
    pub fn credentials(&self) -> Credentials {
        Credentials::from([
            ("applicationCredentialId".into(), text(&self.credential["id"]).into()),
            (
                "applicationCredentialSecret".into(),
                text(&self.credential["secret"]).into(),
            ),
        ])
    }

    /// A configuration whose waits are short, except for an answer: on a machine that has much to do, Octavia takes its
    /// time to make a load balancer.
    pub fn config(&self) -> Json {
        json!({
            "authUrl": self.lab.get("authUrl"),
            "region": "RegionOne",
            "externalNetwork": "outside",
            "loadBalancers": {"healthCheckInterval": "1s"},
            "timing": {"poll": "1s", "pollBusy": "100ms", "sendDeadline": "40s", "appearsWithin": "1s"},
            "http": {"timeout": "40s"},
        })
    }
}

/// Makes an application credential. Keystone may take a moment to see a role that it has just given.
async fn credential(lab: &Lab, token: &str, user: &str) -> Json {
    let url = format!("{}/users/{user}/application_credentials", lab.get("authUrl"));
    for _ in 0..100 {
        let body = json!({"application_credential": {"name": "test"}});
        let answer = lab.answer(token, "POST", &url, Some(body)).await;
        if answer.status.is_success() {
            return answer.json::<Json>("test").expect("JSON")["application_credential"].clone();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("Keystone makes no application credential");
}

impl Lab {
    /// A token of a test's user, given by id.
    pub async fn login_of(&self, user: &str, project: &str) -> String {
        let url = format!("{}/users/{user}", self.get("authUrl"));
        let admin = self.admin().await;
        let found = self.send(&admin, "GET", &url, None).await.expect("the user");
        self.login(&text(&found["user"]["name"]), "Test-1", json!({"id": project}))
            .await
    }
}

/// It as text.
pub fn text(value: &Json) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
