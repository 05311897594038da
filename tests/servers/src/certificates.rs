//! An authority of the tests' own.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};

/// Writes an authority, and a certificate of it for `127.0.0.1`.
pub(crate) fn certificates(dir: &Path) -> String {
    let named = |name: &str, sans: Vec<String>| {
        let mut params = CertificateParams::new(sans).expect("good names");
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let mut authority = named("tests", Vec::new());
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let server = named("127.0.0.1", vec!["127.0.0.1".into()])
        .signed_by(&key, &authority)
        .expect("a certificate");
    fs::write(dir.join("ca.crt"), authority.pem()).expect("a file");
    fs::write(dir.join("server.crt"), server.pem()).expect("a file");
    fs::write(dir.join("server.key"), key.serialize_pem()).expect("a file");
    fs::set_permissions(
        dir.join("server.key"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .expect("a mode");
    authority.pem()
}
