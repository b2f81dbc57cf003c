//! The golden vectors, in every runtime: verdicts and parts.

use anyhow::{Context, Result};
use claviger_parity::{
    faces::{self, Batch, Node, PARITY_WORKER, Workerd},
    keyring_vectors,
    setup::{Facts, Setup},
    vectors,
};
use serde_json::Value;

/// The cases in runs of one configuration and time, as batches want them.
fn for_each_case(mut check: impl FnMut(&Batch<'_>, &vectors::Case) -> Result<()>) -> Result<usize> {
    let file = vectors::read()?;
    for case in &file.cases {
        let verifier = file.verifiers.iter().find(|verifier| verifier.name == case.verifier);
        let options = &verifier.with_context(|| format!("{} names no verifier", case.name))?.options;
        let (setup, facts) = (Setup::from(options.clone()), Facts::at(case.now));
        let keys = [case.presented()?];
        check(&Batch { setup: &setup, facts: &facts, keys: &keys }, case)
            .with_context(|| case.name.clone())?;
    }
    Ok(file.cases.len())
}

#[test]
fn every_runtime_gives_the_golden_verdicts() -> Result<()> {
    for mut face in faces::all()? {
        let cases = for_each_case(|batch, case| {
            assert_eq!(face.verify(batch)?.first(), Some(&case.verdict), "{}: {}", face.name(), case.name);
            Ok(())
        })?;
        assert!(cases > 80, "{cases} cases");
    }
    Ok(())
}

#[test]
fn native_node_and_workerd_read_the_golden_parts() -> Result<()> {
    let (mut node, mut workerd) = (Node::start()?, Workerd::start(PARITY_WORKER, ("OPTIONS", "{}"), None)?);
    for_each_case(|batch, case| {
        let Some(parts) = &case.parts else { return Ok(()) };
        let text = String::from_utf8(case.presented()?)?;
        assert_eq!(&vectors::parts(&text), parts, "native: {}", case.name);
        for (name, answers) in
            [("Node", node.answers(batch, true)?), ("workerd", workerd.answers(batch, true)?)]
        {
            let said: Vec<&Value> = answers.iter().filter_map(|answer| answer.get("parts")).collect();
            assert_eq!(said, [parts], "{name}: {}", case.name);
        }
        Ok(())
    })?;
    Ok(())
}

#[test]
fn every_runtime_gives_the_golden_verdicts_with_keyrings() -> Result<()> {
    let file = keyring_vectors::read()?;
    let setups = keyring_vectors::setups(&file)?;
    let setup = |name: &str| setups.get(name).with_context(|| format!("no verifier {name}"));
    assert!(file.cases.len() > 100 && file.replacements.len() > 12, "{} cases", file.cases.len());
    for mut face in faces::all()? {
        for case in &file.cases {
            let keys = [case.key.clone().into_bytes()];
            let batch = Batch { setup: setup(&case.verifier)?, facts: &case.request, keys: &keys };
            let verdicts = face.verify(&batch).with_context(|| case.name.clone())?;
            assert_eq!(verdicts.first(), Some(&case.verdict), "{}: {}", face.name(), case.name);
        }
    }
    Ok(())
}

#[test]
fn every_runtime_takes_and_refuses_the_golden_keyrings() -> Result<()> {
    let file = keyring_vectors::read()?;
    let setups = keyring_vectors::setups(&file)?;
    let mut faces = faces::all()?;
    for offer in &file.replacements {
        let setup = setups.get(&offer.verifier).with_context(|| format!("no verifier {}", offer.verifier))?;
        let offered = keyring_vectors::given(&offer.offered)?;
        // A verifier that took it is no longer the one that the next offer is made to.
        for face in &mut faces {
            let (name, what) = (face.name(), &offer.name);
            assert_eq!(face.offer(setup, &offered)?, offer.outcome, "{name}: {what}");
            // What was refused has changed nothing: the cases of the verifier still hold.
            if offer.outcome != "replaced" {
                for case in file.cases.iter().filter(|case| case.verifier == offer.verifier).take(3) {
                    let keys = [case.key.clone().into_bytes()];
                    let verdicts = face.verify(&Batch { setup, facts: &case.request, keys: &keys })?;
                    assert_eq!(verdicts.first(), Some(&case.verdict), "{name}: {} after {what}", case.name);
                }
            }
        }
    }
    Ok(())
}

/// The numbers of the codes that only signatures of requests and webhooks can cause, none of them a key.
const SIGNATURES: std::ops::RangeInclusive<u8> = 7..=12;

#[test]
fn every_code_that_a_key_can_cause_has_a_case() -> Result<()> {
    let verdicts: Vec<Value> = vectors::read()?.cases.into_iter().map(|case| case.verdict).collect();
    let with_keyrings = keyring_vectors::read()?.cases.into_iter().map(|case| case.verdict);
    let verdicts: Vec<Value> = verdicts.into_iter().chain(with_keyrings).collect();
    for code in claviger_core::DenialCode::ALL {
        let covered =
            verdicts.iter().any(|verdict| verdict.get("code").and_then(Value::as_str) == Some(code.as_str()));
        // What only a host can say.
        let of_host = ["pool_exhausted", "verifier_fault", "not_configured"].contains(&code.as_str());
        let of_signatures = SIGNATURES.contains(&code.number()) || code.as_str() == "replay_unavailable";
        assert_eq!(covered, !of_host && !of_signatures, "{code}");
    }
    Ok(())
}

#[test]
fn the_golden_files_are_what_the_core_writes() -> Result<()> {
    for (path, content) in vectors::golden_files()? {
        let present = std::fs::read(&path)?;
        assert!(
            present == content,
            "{} would change; if that is meant, run cargo xtask vectors",
            path.display()
        );
    }
    Ok(())
}
