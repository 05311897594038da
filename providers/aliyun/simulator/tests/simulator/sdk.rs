//! The official Python SDKs accept the simulator: a whole life of each product, with every scheme of signing.
//!
//! They are installed once, as pinned in `tests/aliyun-sdk/requirements.txt`, into the cache of Mooring.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
    time::Duration,
};

use mooring_simulator_aliyun::{Handle, Scheme};
use sha2::{Digest, Sha256};

use crate::common::start;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/aliyun-sdk")
}

fn cache() -> PathBuf {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("MOORING_CACHE")
        .or_else(|| Some(named("XDG_CACHE_HOME")?.join("mooring")))
        .unwrap_or_else(|| named("HOME").expect("HOME is set").join(".cache/mooring"))
}

fn run(command: &mut Command, what: &str, hint: &str) -> Output {
    let output = command.output();
    let output =
        output.unwrap_or_else(|error| panic!("{what}: {error}; this test needs Python 3.9 or newer with venv"));
    assert!(
        output.status.success(),
        "{what} failed{hint}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output
}

/// A Python that has the SDKs.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let requirements = folder().join("requirements.txt");
        let pinned = fs::read(&requirements).expect("the requirements can be read");
        let hash = hex::encode(&Sha256::digest(&pinned)[..8]);
        let (cache, name) = (cache(), format!("aliyun-sdk-{hash}"));
        fs::create_dir_all(&cache).expect("the cache can be written");
        // Tests of several processes take turns.
        let lock = File::create(cache.join(format!("{name}.lock"))).expect("the cache can be written");
        lock.lock().expect("the lock can be had");
        let venv = cache.join(name);
        let (python, complete) = (venv.join("bin/python"), venv.join("complete"));
        if !complete.exists() {
            run(
                Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv),
                "making a venv",
                "; this test needs Python with its module venv",
            );
            let hint = "; the first run of this test needs PyPI, or a MOORING_CACHE that has them";
            let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
            run(
                Command::new(&python).args(install).arg(&requirements),
                "installing the SDKs",
                hint,
            );
            File::create(complete).expect("the cache can be written");
        }
        python
    })
}

/// Runs a driver, and answers with the schemes that it signed with.
async fn drive(name: &str) -> (Handle, BTreeSet<String>) {
    let cloud = start(|options| {
        options.provisioning = Duration::from_millis(150);
        options.frozen = true;
    })
    .await;
    let (driver, url) = (folder().join(name), cloud.url());
    let what = name.to_owned();
    let driven = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(python());
        for proxy in [
            "http_proxy",
            "HTTP_PROXY",
            "https_proxy",
            "HTTPS_PROXY",
            "all_proxy",
            "ALL_PROXY",
        ] {
            command.env_remove(proxy);
        }
        command
            .arg(driver)
            .env("SIMULATOR", url)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        run(&mut command, &what, "")
    });
    let output = driven.await.expect("the driver does not panic");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("ok "),
        "{name} did nothing"
    );
    let good = cloud.calls(0).into_iter().filter(|call| call.status == 200);
    let schemes = good
        .filter_map(|call| call.scheme)
        .map(|scheme| format!("{scheme:?}"))
        .collect();
    (cloud, schemes)
}

async fn drive_rpc(name: &str) {
    let (_cloud, schemes) = drive(name).await;
    for scheme in [Scheme::Acs3, Scheme::RpcV1] {
        assert!(schemes.contains(&format!("{scheme:?}")), "{name}: {schemes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vpc() {
    drive_rpc("vpc.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rds() {
    drive_rpc("rds.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clb() {
    drive_rpc("clb.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nlb() {
    drive_rpc("nlb.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cms() {
    drive_rpc("cms.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sts() {
    drive_rpc("sts.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sls() {
    let (_cloud, schemes) = drive("sls.py").await;
    let all = [Scheme::SlsV1Sha1, Scheme::SlsV1Sha256, Scheme::SlsV4].map(|scheme| format!("{scheme:?}"));
    assert_eq!(schemes, BTreeSet::from(all));
}
