//! A request as it came over the wire, and which product's Action it means.

use bytes::Bytes;
use hyper::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value as Json};

use crate::{
    contract::{self, Action},
    refusal::{Answer, absent},
};

/// A request as it came over the wire.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// As sent, still encoded.
    pub(crate) path: String,
    /// Decoded.
    pub(crate) query: Vec<(String, String)>,
    /// Decoded, of a form body.
    pub(crate) form: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) host: String,
    pub(crate) body: Bytes,
}

/// What a request means.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) product: &'static str,
    pub(crate) action: &'static str,
    pub(crate) contract: &'static Action,
    /// Of a REST call: the parameters in its path.
    pub(crate) path: Map<String, Json>,
    /// Of a call to SLS: the project that its host names.
    pub(crate) project: Option<String>,
}

/// The pairs of a query or a form.
pub(crate) fn pairs(bytes: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(bytes).into_owned().collect()
}

impl Request {
    pub(crate) fn new(
        method: &str,
        path: String,
        query: Vec<(String, String)>,
        headers: HeaderMap,
        host: String,
        body: Bytes,
    ) -> Self {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form = kind.is_some_and(|is| is.starts_with("application/x-www-form-urlencoded"));
        Self {
            form: if is_form { pairs(&body) } else { Vec::new() },
            method: method.to_owned(),
            path,
            query,
            headers,
            host,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A parameter of the query or of the form.
    pub(crate) fn pair(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.iter().chain(&self.form);
        pairs.find_map(|(is, value)| (is == name).then_some(value.as_str()))
    }

    /// SLS speaks REST and has its own schemes of signing.
    pub(crate) fn is_sls(&self) -> bool {
        self.header("x-log-apiversion").is_some()
            || self
                .header("authorization")
                .is_some_and(|is| is.starts_with("LOG ") || is.starts_with("SLS4-"))
    }

    pub(crate) fn is_asapi(&self) -> bool {
        self.path.trim_end_matches('/') == "/asapi/v3"
    }

    pub(crate) fn target(&self) -> Answer<Target> {
        if self.is_sls() { self.sls() } else { self.rpc() }
    }

    fn rpc(&self) -> Answer<Target> {
        let action = self
            .header("x-acs-action")
            .or_else(|| self.pair("Action"))
            .unwrap_or_default();
        let version = self
            .header("x-acs-version")
            .or_else(|| self.pair("Version"))
            .unwrap_or_default();
        let Some(product) = contract::product_of(version) else {
            return absent(
                "InvalidVersion",
                format!("Specified parameter Version `{version}` is not valid."),
            );
        };
        if let Some(of_host) = product_of_host(&self.host).filter(|of_host| *of_host != product) {
            return absent(
                "InvalidVersion",
                format!("The host {} serves {of_host}, not {product}.", self.host),
            );
        }
        let served = contract::actions(product).and_then(|actions| actions.get_key_value(action));
        let Some((action, contract)) = served else {
            let message =
                format!("Specified api `{action}` of {product} is not found, please check your url and method.");
            return absent("InvalidAction.NotFound", message);
        };
        Ok(Target {
            product,
            action,
            contract,
            path: Map::new(),
            project: None,
        })
    }

    fn sls(&self) -> Answer<Target> {
        let project = project_of_host(&self.host);
        let segments: Vec<_> = self.path.split('/').filter(|part| !part.is_empty()).collect();
        for (action, contract) in contract::actions("Sls").into_iter().flatten() {
            let wants_project = contract.params.values().any(|is| is.place == contract::Place::Host);
            // A project may be created at the host that it will have.
            let at_root = segments.is_empty() && project.is_some() != wants_project && self.method != "POST";
            if contract.method != self.method || at_root {
                continue;
            }
            if let Some(path) = matches(&contract.path, &segments) {
                return Ok(Target {
                    product: "Sls",
                    action,
                    contract,
                    path,
                    project,
                });
            }
        }
        absent("InvalidUri", format!("{} {} is not served.", self.method, self.path))
    }
}

fn matches(template: &str, segments: &[&str]) -> Option<Map<String, Json>> {
    let template: Vec<_> = template.split('/').filter(|part| !part.is_empty()).collect();
    if template.len() != segments.len() {
        return None;
    }
    let mut params = Map::new();
    for (part, segment) in template.iter().zip(segments) {
        let text = percent_decode_str(segment).decode_utf8_lossy();
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => {
                params.insert(name.into(), Json::from(text));
            }
            None if *part == text => {}
            None => return None,
        }
    }
    Some(params)
}

fn name(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// Only hosts of the vendor's tell a product; an overridden endpoint serves them all.
fn product_of_host(host: &str) -> Option<&'static str> {
    let host = name(host);
    if !host.ends_with(".aliyuncs.com") {
        return None;
    }
    let first = host.split(['.', '-']).next()?;
    Some(match first {
        "vpc" => "Vpc",
        "ecs" => "Ecs",
        "slb" => "Slb",
        "nlb" => "Nlb",
        "rds" => "Rds",
        "metrics" => "Cms",
        "sts" => "Sts",
        "tag" => "Tag",
        _ => return None,
    })
}

/// `<project>.<region>.log.aliyuncs.com`, or `<project>.` before an address, `localhost` or an Apsara Stack's data host.
fn project_of_host(host: &str) -> Option<String> {
    let host = name(host);
    let before = |end: &str| host.strip_suffix(end).and_then(|rest| rest.strip_suffix('.'));
    let project = if let Some((left, _)) = host.split_once(".log.") {
        left.rsplit_once('.').map(|(project, _)| project)
    } else if let Some((left, _)) = host.split_once(".data.") {
        Some(left)
    } else if let Some(left) = before("localhost") {
        Some(left)
    } else {
        let mut parts = host.rsplitn(5, '.');
        let numbers = parts.by_ref().take(4).filter(|part| part.parse::<u8>().is_ok()).count();
        parts.next().filter(|_| numbers == 4)
    };
    project.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_names_a_project() {
        for (host, project) in [
            ("shop.cn-hangzhou.log.aliyuncs.com", Some("shop")),
            ("shop.cn-hangzhou-intranet.log.aliyuncs.com:80", Some("shop")),
            ("cn-hangzhou.log.aliyuncs.com", None),
            ("shop.127.0.0.1:8080", Some("shop")),
            ("127.0.0.1:8080", None),
            ("shop.localhost:8080", Some("shop")),
            ("localhost", None),
            ("shop.data.cn-x.sls-pub.stack.example", Some("shop")),
            ("data.cn-x.sls-pub.stack.example", None),
        ] {
            assert_eq!(project_of_host(host).as_deref(), project, "{host}");
        }
    }

    #[test]
    fn a_vendor_host_names_a_product() {
        for (host, product) in [
            ("vpc.cn-beijing.aliyuncs.com", Some("Vpc")),
            ("ecs-cn-hangzhou.aliyuncs.com", Some("Ecs")),
            ("metrics.cn-hangzhou.aliyuncs.com", Some("Cms")),
            ("rds-vpc.cn-hangzhou.aliyuncs.com", Some("Rds")),
            ("127.0.0.1:99", None),
        ] {
            assert_eq!(product_of_host(host), product, "{host}");
        }
    }
}
