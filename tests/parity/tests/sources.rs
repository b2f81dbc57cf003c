//! The golden vectors once more, by verifiers that get their keyrings from sources: a folder, a URL, a KV namespace.

use anyhow::{Context, Result};
use claviger_parity::{keyring_vectors, ring_server::RingServer, setup::Facts, sourced};

/// The name of a verifier, as a folder and in URLs.
fn ring(verifier: &str) -> String {
    verifier.replace(|character: char| !character.is_ascii_alphanumeric(), "-")
}

#[test]
fn every_runtime_gives_the_golden_verdicts_through_sources() -> Result<()> {
    let file = keyring_vectors::read()?;
    let setups = keyring_vectors::setups(&file)?;
    let folder = tempfile::tempdir()?;
    let server = RingServer::start(folder.path())?;
    let mut faces = sourced::all(&server)?;
    for (name, setup) in &setups {
        for given in &setup.keyrings {
            server.put(&ring(name), given.keyring.as_ref())?;
            for face in &mut faces {
                let there = face.refresh(&setup.options, &ring(name))?;
                assert!(there, "{}: {name} has no keyring", face.name());
            }
        }
    }
    for case in &file.cases {
        let setup = setups.get(&case.verifier).with_context(|| format!("no verifier {}", case.verifier))?;
        let keys = [case.key.clone().into_bytes()];
        for face in &mut faces {
            let verdicts = face.verify(&setup.options, &ring(&case.verifier), &case.request, &keys)?;
            assert_eq!(verdicts.first(), Some(&case.verdict), "{}: {}", face.name(), case.name);
        }
    }
    Ok(())
}

/// A key is verified, then revoked; then everybody hears of it by asking, and nobody before.
#[test]
fn every_runtime_learns_of_a_newer_keyring_from_its_source() -> Result<()> {
    let file = keyring_vectors::read()?;
    let setups = keyring_vectors::setups(&file)?;
    let folder = tempfile::tempdir()?;
    let server = RingServer::start(folder.path())?;
    let mut faces = sourced::all(&server)?;
    // The verifier that was given the most keyrings, one after the other.
    let (name, setup) =
        setups.iter().max_by_key(|(_, setup)| setup.keyrings.len()).context("no verifiers")?;
    assert!(setup.keyrings.len() > 1);
    let cases: Vec<_> = file.cases.iter().filter(|case| case.verifier == *name).collect();
    let keys: Vec<Vec<u8>> = cases.iter().map(|case| case.key.clone().into_bytes()).collect();
    for given in &setup.keyrings {
        server.put(&ring(name), given.keyring.as_ref())?;
        let mut verdicts = Vec::new();
        for face in &mut faces {
            assert!(face.refresh(&setup.options, &ring(name))?);
            verdicts.push(face.verify(&setup.options, &ring(name), &Facts::at(given.now), &keys)?);
        }
        let (first, others) = verdicts.split_first().context("no runtimes")?;
        assert!(others.iter().all(|other| other == first), "{verdicts:?}");
    }
    Ok(())
}
