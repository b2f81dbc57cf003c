//! The service answers as its README says.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use claviger::core::{KeyId, KeyPrefix, KeyringKey, KeyringTerms, OpaqueUse, PolicyTerms};
use claviger_parity::{ring_server::RingServer, rings::Contents};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The service, ended with the test.
struct Service(Child, String);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Service {
    fn start(key: &KeyringKey, ring: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claviger-example-service"));
        command.env("KEYRING_KEY", key.to_text().expose()).env("RING", ring);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child, line.trim().to_owned())
    }

    /// The status, and the type of the body with its text.
    fn get(&self, path: &str, key: Option<&str>) -> (u16, String) {
        let url = format!("{}{path}", self.1);
        let mut request = ureq::get(url).config().http_status_as_error(false).build();
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let mut response = request.call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }
}

#[test]
fn it_lets_good_keys_in_and_says_no_more_than_it_should() {
    let key = KeyringKey::generate(&[1; 40]);
    let mut contents = Contents::new(key.clone(), KeyringTerms::new(KeyId::from_u64(1)));
    let mut terms = PolicyTerms::new(KeyPrefix::new("acme_live").unwrap(), "tenant-7", "service-account-12");
    terms.permissions = &["flights:*"];
    let may = contents.policy(&terms).unwrap();
    terms.permissions = &["crews:*"];
    let may_not = contents.policy(&terms).unwrap();
    let good = contents.opaque(terms.prefix, OpaqueUse::Bearer, may, &[2; 40]).unwrap();
    let other = contents.opaque(terms.prefix, OpaqueUse::Bearer, may_not, &[3; 40]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = RingServer::start(folder.path()).unwrap();
    let at_folder: &Path = &folder.path().join("edge");
    for ring in [at_folder.to_str().unwrap().to_owned(), server.urls().root("edge")] {
        let service = Service::start(&key, &ring);
        if !at_folder.exists() {
            let (status, body) = service.get("/", Some(&good));
            assert_eq!(status, 503, "{body}");
            assert!(body.contains("keyring_unavailable"), "{body}");
        }
        server.put("edge", &contents.build(2, claviger::unix_seconds()).unwrap().bundle).unwrap();
        // It finds the ring by itself, after a pause that the failure before has made.
        let id = claviger::core::parse(&good).unwrap().id();
        let (mut status, mut body) = service.get("/", Some(&good));
        let started = Instant::now();
        while status == 503 && started.elapsed() < Duration::from_secs(30) {
            (status, body) = service.get("/", Some(&good));
        }
        assert_eq!((status, body), (200, format!("hello {id}\n")), "{ring}");
        assert_eq!(service.get("/", None).0, 401);
        let (status, body) = service.get("/", Some("guess"));
        assert!(status == 401 && !body.contains("malformed"), "{body}");
        let (status, body) = service.get("/", Some(&other));
        assert!(status == 403 && body.contains("insufficient_permission"), "{body}");
        assert_eq!(service.get("/usage", None), (200, "1 keys were used\n".to_owned()));
    }
}
