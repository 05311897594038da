//! The stand-in for the kubelet as a program: `KUBECONFIG=FILE cargo test --test stand-in-kubelet`. It plays on a control
//! plane without nodes (`tests/controlplane/up` without `--kwok`) until it is ended.

#[path = "support/kubelet/mod.rs"]
mod kubelet;

#[tokio::main]
async fn main() -> kube::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = kube::Client::try_default().await?;
    kubelet::play(client).await
}
